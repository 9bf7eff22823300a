//! `catchment force up|down|clear`: the operator's word against the measurement.

use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand};

use super::order::{Common, Order, time};
use crate::control::wire::ActionWord;

#[derive(Clone, Debug, Args)]
pub(super) struct ForceArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Clone, Debug, Subcommand)]
enum What {
    /// Usable, whatever is measured
    Up(WordArgs),
    /// Never used: not in panic, not when everything else is down
    Down(WordArgs),
    /// Take back whatever was said
    Clear(ClearArgs),
}

#[derive(Clone, Debug, Args)]
struct WordArgs {
    /// A PoP, a service, or a service at a PoP: `fra`, `web`, `web@fra`
    target: String,
    /// End by itself after this time, as in `2h`
    #[arg(long = "for", value_name = "TIME", value_parser = time)]
    lasts: Option<Duration>,
    /// Also when a service is then below its `min_up`
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    common: Common,
}

#[derive(Clone, Debug, Args)]
struct ClearArgs {
    /// What there is an override of: `fra`, `web`, `web@fra`
    target: String,
    #[command(flatten)]
    common: Common,
}

pub(super) fn run(args: &ForceArgs) -> anyhow::Result<ExitCode> {
    let word = |WordArgs { target, lasts, force, common }: &WordArgs, action| {
        common.send(&Order { target, action, lasts: *lasts, over: None, force: *force })
    };
    match &args.what {
        What::Up(args) => word(args, ActionWord::Up),
        What::Down(args) => word(args, ActionWord::Down),
        What::Clear(ClearArgs { target, common }) => {
            common.send(&Order { target, action: ActionWord::Clear, lasts: None, over: None, force: false })
        }
    }
}
