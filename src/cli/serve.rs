//! `catchment serve`, which is also what `catchment` alone does.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;

use super::{IoArg, Places, log, read_quietly, setup};
use crate::config::settings::{Format, Settings};
use crate::daemon::{self, Reread, Setup};

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
    let setup = args.over(args.places.settings()?);
    let settings = &setup.settings;
    let level = args.log.as_deref().unwrap_or(settings.log.level.as_str());
    let set_level = log::init_log(level, settings.log.format == Format::Json)?;
    let reread = Reread {
        file: args.places.file().to_owned(),
        read: Arc::new({
            let args = args.clone();
            move || {
                let read = read_quietly(args.places.file())?;
                Ok(args.over(args.places.over(read)).settings)
            }
        }),
        log: Arc::new({
            let flag = args.log.is_some();
            // A flag wins over the file, then as before.
            move |settings| {
                if flag { Ok(()) } else { set_level(settings.log.level.as_str()).map_err(|e| e.to_string()) }
            }
        }),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(daemon::run(Setup { reread: Some(reread), ..setup }))?;
    Ok(ExitCode::SUCCESS)
}

impl ServeArgs {
    /// Settings with the flags of this command applied.
    fn over(&self, mut settings: Settings) -> Setup {
        if let Some(io) = self.io {
            settings.io = io.into();
        }
        setup(settings, &self.listen)
    }
}
