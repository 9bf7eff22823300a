//! `catchment top`: the running server on one screen, every second anew.

mod draw;
mod rates;

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use clap::Args;
use ratatui::Terminal;
use ratatui::backend::{Backend, TestBackend};
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use serde::de::DeserializeOwned;

use super::client::{Server, typed};
use super::words::Page;
use crate::control::wire::{Health, Status, Traffic};
use draw::{Screen, Sort};
use rates::Rates;

/// From one look to the next, unless said otherwise.
const EVERY: &str = "1";
/// Columns and rows of `--once` where there is no terminal.
const SIZE: (u16, u16) = (80, 24);

#[derive(Clone, Debug, Args)]
pub(super) struct TopArgs {
    /// Print one screen as text, and end; as large as the terminal, or 80 by 24
    #[arg(long)]
    once: bool,
    /// Seconds from one look to the next
    #[arg(long, value_name = "SECONDS", default_value = EVERY, value_parser = clap::value_parser!(u64).range(1..=3600))]
    every: u64,
    /// What PoPs are sorted by
    #[arg(long, value_enum, value_name = "WHAT", default_value_t = Sort::Share)]
    sort: Sort,
    #[command(flatten)]
    server: Server,
}

/// What the server told at a time.
#[derive(Clone, Debug)]
struct Look {
    status: Status,
    health: Health,
    traffic: Traffic,
}

pub(super) fn run(args: &TopArgs) -> anyhow::Result<ExitCode> {
    let every = Duration::from_secs(args.every);
    let first = match look(&args.server)? {
        Ok(first) => first,
        Err(code) => return Ok(code),
    };
    if args.once {
        std::thread::sleep(every);
        return match look(&args.server)? {
            Ok(second) => once(args, &first, &second),
            Err(code) => Ok(code),
        };
    }
    if !io::stdout().is_terminal() {
        bail!("this is no terminal\n  help: `catchment top --once` prints one screen as text");
    }
    let mut terminal = ratatui::try_init().context("the terminal cannot be used")?;
    let shown = watch(&mut terminal, args, first, every);
    ratatui::restore();
    shown?;
    Ok(ExitCode::SUCCESS)
}

/// Everything that is shown, asked one after the other.
fn look(server: &Server) -> anyhow::Result<Result<Look, ExitCode>> {
    fn part<T: DeserializeOwned>(server: &Server, path: &str) -> anyhow::Result<Result<T, ExitCode>> {
        server.get(path)?.good()?.map_or_else(|code| Ok(Err(code)), |value| Ok(Ok(typed(&value)?)))
    }
    let (status, health, traffic) = (part(server, "status")?, part(server, "health")?, part(server, "traffic")?);
    Ok(match (status, health, traffic) {
        (Ok(status), Ok(health), Ok(traffic)) => Ok(Look { status, health, traffic }),
        (Err(code), ..) | (_, Err(code), _) | (.., Err(code)) => Err(code),
    })
}

fn once(args: &TopArgs, first: &Look, second: &Look) -> anyhow::Result<ExitCode> {
    let size = terminal_size::terminal_size().filter(|_| io::stdout().is_terminal());
    let (width, height) = size.map_or(SIZE, |(width, height)| (width.0.max(20), height.0.max(5)));
    let mut terminal = Terminal::new(TestBackend::new(width, height))?;
    let rates = Rates::between(&first.traffic, &second.traffic);
    let mut screen = Screen::new(args.sort, false);
    terminal.draw(|frame| screen.draw(frame, second, &rates))?;
    write!(io::stdout(), "{}", text(terminal.backend().buffer()))?;
    Ok(ExitCode::SUCCESS)
}

/// A screen as lines without spaces at their ends.
fn text(buffer: &ratatui::buffer::Buffer) -> String {
    let mut out = String::new();
    for row in buffer.content.chunks(buffer.area.width.max(1).into()) {
        let line: String = row.iter().map(ratatui::buffer::Cell::symbol).collect();
        out += line.trim_end();
        out.push('\n');
    }
    out
}

/// Draws until somebody has had enough.
fn watch<B>(terminal: &mut Terminal<B>, args: &TopArgs, first: Look, every: Duration) -> anyhow::Result<()>
where
    B: Backend,
    B::Error: Send + Sync + 'static,
{
    let mut screen = Screen::new(args.sort, Page::stdout().color);
    let (mut before, mut now) = (first.clone(), first);
    let mut next = Instant::now() + every;
    loop {
        let rates = Rates::between(&before.traffic, &now.traffic);
        terminal.draw(|frame| screen.draw(frame, &now, &rates))?;
        let left = next.saturating_duration_since(Instant::now());
        if event::poll(left)? {
            match event::read()? {
                Event::Key(key) if key.kind == KeyEventKind::Press && !screen_takes(&mut screen, key) => return Ok(()),
                _ => {}
            }
            continue;
        }
        next = Instant::now() + every;
        match look(&args.server) {
            Ok(Ok(look)) => {
                screen.lost = None;
                before = std::mem::replace(&mut now, look);
            }
            // A restart of the server does not end it.
            Ok(Err(_)) => screen.lost = Some("the server does not answer this; is it of another version?".to_owned()),
            Err(error) => screen.lost = Some(format!("{error:#}").lines().next().unwrap_or_default().to_owned()),
        }
    }
}

/// Whether a key leaves the screen on.
fn screen_takes(screen: &mut Screen, key: KeyEvent) -> bool {
    match key.code {
        KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => return false,
        KeyCode::Char('q') => return false,
        KeyCode::Esc if !screen.help => return false,
        KeyCode::Esc => screen.help = false,
        KeyCode::Char('h' | '?') => screen.help = !screen.help,
        KeyCode::Char('s') => screen.sort = screen.sort.next(),
        KeyCode::Down | KeyCode::Char('j') => screen.skip = screen.skip.saturating_add(1),
        KeyCode::Up | KeyCode::Char('k') => screen.skip = screen.skip.saturating_sub(1),
        KeyCode::Home => screen.skip = 0,
        _ => {}
    }
    true
}
