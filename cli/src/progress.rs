//! A progress bar on standard error, if that is a terminal.

use indicatif::{ProgressBar, ProgressStyle};
use permacode_bundle::{Phase, Progress};
use std::{sync::Mutex, time::Duration};

/// Shows the progress of the work, one stage after the other. The bar is removed when the work is done.
#[derive(Debug)]
pub(crate) struct Bar(Mutex<ProgressBar>);

impl Bar {
    pub(crate) fn new() -> Self {
        Bar(Mutex::new(ProgressBar::hidden()))
    }

    /// Shows that a stage has begun whose steps are not known.
    pub(crate) fn stage(&self, what: &'static str) {
        self.show(what, 0);
    }

    fn show(&self, what: &'static str, total: u64) {
        // Both are hidden if standard error is not a terminal.
        let bar = match total {
            0 => ProgressBar::new_spinner(),
            total => ProgressBar::new(total),
        };
        let template = if total == 0 { "{msg} {spinner}" } else { "{msg:17} [{bar:40}] {pos}/{len} {eta}" };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("=> "));
        }
        bar.set_message(what);
        // A hidden bar needs no thread. indicatif panics if it cannot start one.
        if !bar.is_hidden() && std::thread::Builder::new().spawn(|| ()).is_ok() {
            bar.enable_steady_tick(Duration::from_millis(100));
        }
        self.replace(bar);
    }

    fn replace(&self, bar: ProgressBar) {
        let old = std::mem::replace(&mut *self.bar(), bar);
        old.finish_and_clear();
    }

    fn bar(&self) -> std::sync::MutexGuard<'_, ProgressBar> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.replace(ProgressBar::hidden());
    }
}

impl Progress for Bar {
    fn begin(&self, phase: Phase, total: u64) {
        let what = match phase {
            Phase::Discover => "searching files",
            Phase::Compile => "compiling",
            Phase::Resources => "reading resources",
            Phase::Layout => "planning",
            Phase::Extract => "writing files",
            _ => "working",
        };
        self.show(what, total);
    }

    fn step(&self) {
        self.bar().inc(1);
    }
}
