//! `catchment completions`: what a shell completes.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::{Args, CommandFactory};
use clap_complete::Shell;

#[derive(Clone, Debug, Args)]
pub(super) struct CompletionsArgs {
    /// The shell: put what is printed where it looks, for bash `/etc/bash_completion.d/catchment`
    shell: Shell,
}

pub(super) fn run(args: &CompletionsArgs) -> anyhow::Result<ExitCode> {
    // Into memory first: the library panics when it cannot write, as to `| head`.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut super::Arguments::command(), "catchment", &mut script);
    io::stdout().lock().write_all(&script)?;
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shell_knows_every_command() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish, Shell::Elvish, Shell::PowerShell] {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut super::super::Arguments::command(), "catchment", &mut script);
            let script = String::from_utf8(script).unwrap();
            for command in super::super::Arguments::command().get_subcommands() {
                assert!(script.contains(command.get_name()), "{shell}: {}", command.get_name());
            }
        }
    }
}
