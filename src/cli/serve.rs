//! `catchment serve`, which is also what `catchment` alone does.

use std::net::SocketAddr;
use std::process::ExitCode;

use clap::Args;

use super::{IoArg, Places, log, setup};
use crate::config::settings::Format;
use crate::daemon;

#[derive(Clone, Debug, Args)]
pub(super) struct ServeArgs {
    #[command(flatten)]
    places: Places,
    /// Address and port to serve over UDP and TCP; may be given again [default: `127.0.0.1:5300` and `[::1]:5300`]
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Vec<SocketAddr>,
    /// Whose listeners serve [default: native]
    #[arg(long, value_enum, value_name = "WHICH")]
    io: Option<IoArg>,
    /// What is logged: error, warn, info, debug, trace, or a filter like `info,catchment::probe=debug`
    #[arg(long, value_name = "LEVEL", env = "CATCHMENT_LOG")]
    log: Option<String>,
}

pub(super) fn run(args: &ServeArgs) -> anyhow::Result<ExitCode> {
    let mut settings = args.places.settings()?;
    if let Some(io) = args.io {
        settings.io = io.into();
    }
    let level = args.log.as_deref().unwrap_or(settings.log.level.as_str());
    log::init_log(level, settings.log.format == Format::Json)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(daemon::run(setup(settings, &args.listen)))?;
    Ok(ExitCode::SUCCESS)
}
