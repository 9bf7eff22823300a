//! What long work is at, on stderr, where that is a terminal; nothing elsewhere.

use std::io::{self, IsTerminal};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// How often the wheel turns.
const TURN: Duration = Duration::from_millis(120);

/// A wheel that turns beside a few words, with the time it has taken. Gone when this is.
#[derive(Debug)]
pub(super) struct Progress(ProgressBar);

impl Progress {
    /// Begins with these words.
    pub(super) fn new(words: &str) -> Self {
        let bar = if io::stderr().is_terminal() {
            ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr())
        } else {
            ProgressBar::hidden()
        };
        let progress = Self(bar);
        progress.say(words);
        if !progress.0.is_hidden() {
            progress.0.enable_steady_tick(TURN);
        }
        progress
    }

    /// Goes on to other work.
    pub(super) fn say(&self, words: &str) {
        self.look("{spinner} {msg} ({elapsed})");
        self.0.set_message(words.to_owned());
    }

    /// Goes on to work of so many steps.
    pub(super) fn count(&self, words: &str, steps: u64) {
        self.look("{spinner} {msg} {bar:40} {pos}/{len}");
        self.0.set_position(0);
        self.0.set_length(steps);
        self.0.set_message(words.to_owned());
    }

    /// One of the steps is done.
    pub(super) fn step(&self) {
        self.0.inc(1);
    }

    /// Does something that writes to the terminal, out of the way of this.
    pub(super) fn aside<T>(&self, write: impl FnOnce() -> T) -> T {
        self.0.suspend(write)
    }

    fn look(&self, template: &str) {
        // A template that is not understood would be ours; the plain bar does as well.
        if let Ok(style) = ProgressStyle::with_template(template) {
            self.0.set_style(style);
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
