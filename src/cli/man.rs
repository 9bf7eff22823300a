//! `catchment man`: manual pages.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, Command, CommandFactory};
use clap_mangen::Man;

#[derive(Clone, Debug, Args)]
pub(super) struct ManArgs {
    /// Write the page of the program and of every command there, instead of the first to the terminal
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

pub(super) fn run(args: &ManArgs) -> anyhow::Result<ExitCode> {
    let pages = pages();
    let Some(directory) = &args.dir else {
        if let Some((_, page)) = pages.first() {
            io::stdout().lock().write_all(page)?;
        }
        return Ok(ExitCode::SUCCESS);
    };
    std::fs::create_dir_all(directory).with_context(|| format!("{} cannot be made", directory.display()))?;
    for (name, page) in &pages {
        let path = directory.join(name);
        std::fs::write(&path, page).with_context(|| format!("{} cannot be written", path.display()))?;
    }
    writeln!(io::stderr(), "{} pages in {}", pages.len(), directory.display())?;
    Ok(ExitCode::SUCCESS)
}

/// Every page with the name of its file, the program's first.
fn pages() -> Vec<(String, Vec<u8>)> {
    fn within(command: &Command, pages: &mut Vec<(String, Vec<u8>)>) {
        let mut page = Vec::new();
        // Into memory, which takes everything.
        let written = Man::new(command.clone()).render(&mut page);
        if written.is_ok() {
            let name = command.get_display_name().unwrap_or_else(|| command.get_name()).to_owned();
            pages.push((format!("{name}.1"), page));
        }
        for command in command.get_subcommands().filter(|command| !command.is_hide_set()) {
            within(command, pages);
        }
    }
    let mut program = super::Arguments::command().disable_help_subcommand(true);
    // Names subcommands in full: `catchment-geodb-build`.
    program.build();
    let mut pages = Vec::new();
    within(&program, &mut pages);
    pages
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_a_page() {
        let pages = pages();
        assert_eq!(pages[0].0, "catchment.1");
        for (name, page) in &pages {
            let page = String::from_utf8(page.clone()).unwrap();
            assert!(page.contains(".TH ") && page.contains(".SH SYNOPSIS"), "{name}");
        }
        let names: Vec<_> = pages.iter().map(|(name, _)| name.as_str()).collect();
        for name in ["catchment-serve.1", "catchment-drain.1", "catchment-geodb-build.1", "catchment-completions.1"] {
            assert!(names.contains(&name), "{names:?}");
        }
    }
}
