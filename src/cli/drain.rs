//! `catchment drain` and `catchment undrain`: prefer anyone else, and take that back.

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;

use super::order::{Common, Order, time};
use crate::control::wire::ActionWord;

#[derive(Clone, Debug, Args)]
pub(super) struct DrainArgs {
    /// A PoP, a service, or a service at a PoP: `fra`, `web`, `web@fra`
    target: String,
    /// End by itself after this time, as in `2h`
    #[arg(long = "for", value_name = "TIME", value_parser = time)]
    lasts: Option<Duration>,
    /// Gradually, over this time, as in `10m`
    #[arg(long, value_name = "TIME", value_parser = time)]
    over: Option<Duration>,
    /// Also when a service is then below its `min_up`
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    common: Common,
}

#[derive(Clone, Debug, Args)]
pub(super) struct UndrainArgs {
    /// What was drained: `fra`, `web`, `web@fra`
    target: String,
    /// Gradually, over this time, as in `10m`
    #[arg(long, value_name = "TIME", value_parser = time)]
    over: Option<Duration>,
    #[command(flatten)]
    common: Common,
}

pub(super) fn drain(args: &DrainArgs) -> anyhow::Result<ExitCode> {
    let DrainArgs { target, lasts, over, force, common } = args;
    common.send(&Order { target, action: ActionWord::Drain, lasts: *lasts, over: *over, force: *force })
}

pub(super) fn undrain(args: &UndrainArgs) -> anyhow::Result<ExitCode> {
    let UndrainArgs { target, over, common } = args;
    common.send(&Order { target, action: ActionWord::Undrain, lasts: None, over: *over, force: false })
}
