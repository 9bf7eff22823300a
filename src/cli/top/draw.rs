//! What is known → a screen, from 80 × 24 up; smaller ones show what fits.

use clap::ValueEnum;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Clear, Paragraph};

use super::Look;
use super::rates::{Rates, real, shown};
use crate::cli::health::{is_unusual, operator};
use crate::cli::words::{count, safe, short};
use crate::control::wire::Member;

/// What PoPs are sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Sort {
    /// Who answers most comes first
    Share,
    /// As they are written
    Name,
    /// What is not as usual comes first
    Health,
}

impl Sort {
    pub(super) fn next(self) -> Self {
        match self {
            Self::Share => Self::Name,
            Self::Name => Self::Health,
            Self::Health => Self::Share,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Share => "share",
            Self::Name => "name",
            Self::Health => "health",
        }
    }
}

/// How the screen is set.
#[derive(Clone, Debug)]
pub(super) struct Screen {
    pub(super) sort: Sort,
    pub(super) help: bool,
    /// Rows of the table that are scrolled away.
    pub(super) skip: usize,
    /// Why the last look failed.
    pub(super) lost: Option<String>,
    color: bool,
}

/// A service at a PoP, with what it does.
struct Row<'h> {
    service: &'h str,
    member: Option<&'h Member>,
    pop: String,
    rate: f64,
    away: f64,
    /// Of all answers of the service, 0 to 1.
    share: f64,
}

/// Alarms that are shown, each on a line.
const ALARMS: usize = 4;
/// Widest names of services and PoPs.
const NAME: usize = 14;

const HELP: &str = "\
q, Esc   end
s        sort by share, name or health
↑ ↓      scroll PoPs
h        this help

ANSWERS/S  answers that sent clients to the PoP, in a second
SHARE      of all answers of the service
AWAY       of its own: to clients that another PoP is home to
A, AAAA    usable, suspect, unusable, or - without an address

HOTTEST is of one message in 512, drawn at random; what is half a
minute old counts half.";

impl Screen {
    pub(super) fn new(sort: Sort, color: bool) -> Self {
        Self { sort, help: false, skip: 0, lost: None, color }
    }

    pub(super) fn draw(&mut self, frame: &mut Frame<'_>, look: &Look, rates: &Rates) {
        let alarms = self.alarms(look);
        // As much as there is to say, and PoPs have the rest.
        let below = look.health.transitions.len().max(look.traffic.hottest.len()).max(1) + 1;
        let [head, flags, traffic, pops, bottom, foot] = Layout::vertical([
            Constraint::Length(1),
            Constraint::Length(alarms.len() as u16),
            Constraint::Length(4),
            Constraint::Min(5),
            Constraint::Length((below.min(13) as u16).min(frame.area().height / 3).max(2)),
            Constraint::Length(1),
        ])
        .areas(frame.area());
        frame.render_widget(self.head(look, head.width), head);
        frame.render_widget(Paragraph::new(alarms), flags);
        frame.render_widget(Paragraph::new(self.traffic(look, rates)), traffic);
        frame.render_widget(Paragraph::new(self.pops(look, rates, pops)), pops);
        let [left, right] = Layout::horizontal([Constraint::Fill(1), Constraint::Fill(1)]).spacing(2).areas(bottom);
        frame.render_widget(Paragraph::new(self.transitions(look, left)), left);
        frame.render_widget(Paragraph::new(self.hottest(look, rates, right)), right);
        let keys = format!("q end   s sort: {:<6}   ↑↓ scroll   h help", self.sort.word());
        frame.render_widget(Line::from(keys).style(self.style(Color::Reset, Modifier::DIM)), foot);
        if self.help {
            self.help(frame);
        }
    }

    fn help(&self, frame: &mut Frame<'_>) {
        let area = frame.area();
        let rows = (HELP.lines().count() as u16 + 2).min(area.height);
        let middle = Rect { x: area.x, y: area.y + (area.height - rows) / 2, width: area.width, height: rows };
        frame.render_widget(Clear, middle);
        let lines = std::iter::once(self.title(&format!("{:<width$}", " HELP", width = area.width.into())));
        let lines = lines.chain(HELP.lines().map(|line| Line::from(format!("  {line}"))));
        frame.render_widget(Paragraph::new(lines.collect::<Vec<_>>()), middle);
    }

    /// Colors are left out where nobody wants them.
    fn style(&self, color: Color, modifier: Modifier) -> Style {
        let style = Style::default().add_modifier(modifier);
        if self.color { style.fg(color) } else { style }
    }

    fn title(&self, text: &str) -> Line<'static> {
        Line::styled(text.to_owned(), self.style(Color::Reset, Modifier::BOLD))
    }

    fn head(&self, look: &Look, width: u16) -> Line<'static> {
        let status = &look.status;
        let left = format!(
            "catchment {}  up {}  generation {}, epoch {}  {}",
            status.version,
            short(status.uptime_seconds * 1000),
            status.generation,
            status.epoch,
            count(status.zones.loaded, "zone")
        );
        let room = usize::from(width).saturating_sub(left.chars().count());
        let at = if room > look.health.at.len() + 1 { look.health.at.as_str() } else { "" };
        Line::styled(format!("{left}{at:>room$}"), self.style(Color::Reset, Modifier::BOLD))
    }

    /// What is not as usual, the worst first; beyond some they are counted.
    fn alarms(&self, look: &Look) -> Vec<Line<'static>> {
        let (red, yellow) = (Color::Red, Color::Yellow);
        let mut lines = Vec::new();
        if let Some(words) = &self.lost {
            lines.push((format!("NO ANSWER since {}: {}", look.health.at, safe(words)), red));
        }
        if let Some(words) = &look.health.guard.words {
            lines.push((format!("{} {words}", look.health.guard.phase.to_uppercase()), red));
        }
        for alarm in &look.health.alarms {
            lines.push((format!("{} {}: {}", alarm.what.to_uppercase(), safe(&alarm.service), alarm.words), red));
        }
        for zone in &look.status.zones.not_loaded {
            lines.push((format!("NOT LOADED {zone} SERVFAIL until its file is mended"), red));
        }
        let stale = look.status.zones.stale.iter().filter(|stale| !look.status.zones.not_loaded.contains(&stale.zone));
        lines.extend(stale.map(|stale| (format!("STALE {}: {}", stale.zone, safe(&stale.why)), yellow)));
        let databases = look.status.files.databases.iter();
        lines.extend(databases.map(|words| (format!("STALE {}", safe(words)), yellow)));
        for item in &look.health.overrides {
            lines.push((format!("OVERRIDE {} {}", item.target, crate::cli::order::line(item)), yellow));
        }
        let more = lines.len().saturating_sub(ALARMS);
        if more > 0 {
            lines.truncate(ALARMS - 1);
            lines.push((format!("… {}: `catchment status`", count(more + 1, "more line")), yellow));
        }
        let line = |(text, color)| Line::styled(text, self.style(color, Modifier::BOLD));
        lines.into_iter().map(line).collect()
    }

    fn traffic(&self, look: &Look, rates: &Rates) -> Vec<Line<'static>> {
        let list = |items: &[(String, f64)]| {
            items.iter().map(|(name, rate)| format!("{} {}", safe(name), shown(*rate))).collect::<Vec<_>>().join("  ")
        };
        let time = rates.microseconds.map_or_else(String::new, |time| format!("  {time:.1} µs each"));
        let open = look.traffic.connections_open;
        let bold = self.style(Color::Reset, Modifier::BOLD);
        let answers = vec![
            Span::styled(format!("{:>8}", shown(rates.answers)), bold),
            Span::raw(format!(" answers/s  {}  {open} TCP open{time}", list(&rates.transports))),
        ];
        let share =
            |(name, rate): &(String, f64)| format!("{name} {}", percent(rate / rates.answers.max(f64::MIN_POSITIVE)));
        let happens = rates.rcodes.iter().filter(|(_, rate)| *rate > 0.0);
        let rcodes = happens.map(share).collect::<Vec<_>>().join("  ");
        let dropped: f64 = rates.drops.iter().map(|(_, rate)| rate).sum();
        let drops = format!("{:>8} drops/s    {}", shown(dropped), list(&rates.drops));
        let drops_style = if dropped > 0.0 { self.style(Color::Yellow, Modifier::empty()) } else { Style::default() };
        let mut more = String::new();
        if rates.truncated > 0.0 {
            more = format!("  truncated {}", shown(rates.truncated));
        }
        vec![
            Line::from(answers),
            Line::from(format!("         {rcodes}{more}")),
            Line::styled(drops, drops_style),
            Line::default(),
        ]
    }

    /// The services at their PoPs, and the answers that went to nobody.
    fn pops(&mut self, look: &Look, rates: &Rates, area: Rect) -> Vec<Line<'static>> {
        let mut rows = rows(look, rates);
        match self.sort {
            Sort::Share => rows.sort_by(|a, b| b.rate.total_cmp(&a.rate)),
            Sort::Name => {}
            Sort::Health => rows.sort_by_key(|row| row.member.is_some_and(|member| !is_unusual(member))),
        }
        let width = |names: &mut dyn Iterator<Item = &str>, least: usize| {
            names.map(|name| safe(name).chars().count()).max().unwrap_or(0).clamp(least, NAME)
        };
        let service = width(&mut rows.iter().map(|row| row.service), 7);
        let pop = width(&mut rows.iter().map(|row| row.pop.as_str()), 3);
        let head = format!(
            "{:service$}  {:pop$}  {:8}  {:8}  {:>9}  {:>6}  {:>6}  ",
            "SERVICE", "POP", "A", "AAAA", "ANSWERS/S", "SHARE", "AWAY"
        );
        let left = usize::from(area.width).saturating_sub(head.chars().count());
        let bar = left.saturating_sub(14).min(30);
        let room = usize::from(area.height).saturating_sub(2);
        self.skip = self.skip.min(rows.len().saturating_sub(room.max(1)));
        let mut lines = vec![self.title(&format!("{head}{:bar$} OPERATOR", ""))];
        let hidden = rows.len().saturating_sub(self.skip + room);
        let shown_rows = room.saturating_sub(usize::from(hidden > 0));
        for row in rows.iter().skip(self.skip).take(shown_rows) {
            let standing = |word: Option<&str>| {
                let word = word.filter(|word| *word != "absent").unwrap_or("-");
                Span::styled(format!("{word:8}  "), self.standing(word))
            };
            let filled = if bar == 0 { String::new() } else { bar_of(row.share, bar) };
            let away = if row.rate > 0.0 { percent(row.away / row.rate) } else { String::new() };
            let mut said = row.member.map_or_else(String::new, operator);
            if bar == 0 {
                // By which override is too much for a small screen.
                said.truncate(said.find(" (").unwrap_or(said.len()));
            }
            lines.push(Line::from(vec![
                Span::raw(format!("{:service$}  {:pop$}  ", cut(row.service, service), cut(&row.pop, pop))),
                standing(row.member.map(|member| member.v4.as_str())),
                standing(row.member.map(|member| member.v6.as_str())),
                Span::raw(format!("{:>9}  {:>6}  {away:>6}  ", shown(row.rate), percent(row.share))),
                Span::styled(format!("{filled:bar$} "), self.style(Color::Cyan, Modifier::empty())),
                Span::styled(
                    if said == "-" { String::new() } else { said },
                    self.style(Color::Yellow, Modifier::empty()),
                ),
            ]));
        }
        if hidden > 0 {
            lines.push(Line::from(format!("… {}", count(rows.len() - self.skip - shown_rows, "more PoP"))));
        }
        if rows.is_empty() {
            lines.push(Line::from("no service is steered"));
        }
        lines
    }

    fn standing(&self, word: &str) -> Style {
        match word {
            "usable" | "up" => self.style(Color::Green, Modifier::empty()),
            "suspect" | "recovering" => self.style(Color::Yellow, Modifier::BOLD),
            "unusable" | "down" => self.style(Color::Red, Modifier::BOLD),
            _ => Style::default(),
        }
    }

    fn transitions(&self, look: &Look, area: Rect) -> Vec<Line<'static>> {
        let mut lines = vec![self.title("LAST CHANGES OF TARGETS")];
        for change in look.health.transitions.iter().take(usize::from(area.height).saturating_sub(1)) {
            let words = format!("{} {}: {}", change.address, safe(&change.check), safe(&change.reason));
            lines.push(Line::from(vec![
                Span::raw(format!("{:>6} ", short(change.age_ms))),
                Span::styled(format!("{} ", safe(&change.to)), self.standing(&change.to)),
                Span::raw(words),
            ]));
        }
        if lines.len() == 1 {
            lines.push(Line::from(match look.health.targets.len() {
                0 => "nothing is probed".to_owned(),
                targets => format!("none; {}", count(targets, "target")),
            }));
        }
        lines
    }

    fn hottest(&self, look: &Look, rates: &Rates, area: Rect) -> Vec<Line<'static>> {
        let mut lines = vec![self.title("HOTTEST NAMES")];
        let samples = look.traffic.samples;
        let wide = area.width >= 50;
        let width = usize::from(area.width).saturating_sub(if wide { 24 } else { 15 });
        for asked in look.traffic.hottest.iter().take(usize::from(area.height).saturating_sub(1)) {
            let share = real(asked.count) / real(samples.max(1));
            let rate = shown(share * rates.answers);
            let name = format!("{:width$}", cut(&asked.name, width));
            let share = if wide { format!("{:>6}  ", percent(share)) } else { String::new() };
            lines.push(Line::from(format!("{share}{rate:>6}/s {name} {}", safe(&asked.rtype))));
        }
        if lines.len() == 1 {
            lines.push(Line::from("none: no message was sampled lately"));
        }
        lines
    }
}

fn rows<'h>(look: &'h Look, rates: &Rates) -> Vec<Row<'h>> {
    let mut rows = Vec::new();
    for service in &look.health.services {
        let of_service = rates.served.iter().filter(|((name, _), _)| *name == service.service);
        let all: f64 = of_service.clone().map(|(_, (rate, _))| rate).sum();
        let share = |rate: f64| if all > 0.0 { rate / all } else { 0.0 };
        for member in &service.pops {
            let key = (service.service.clone(), member.pop.clone());
            let (rate, away) = rates.served.get(&key).copied().unwrap_or_default();
            let (service, pop) = (service.service.as_str(), member.pop.clone());
            rows.push(Row { service, member: Some(member), pop, rate, away, share: share(rate) });
        }
        let known = |pop: &str| service.pops.iter().any(|member| member.pop == pop);
        for ((_, pop), (rate, away)) in of_service.filter(|((_, pop), (rate, _))| !known(pop) && *rate > 0.0) {
            let pop = if pop.is_empty() { "(none)".to_owned() } else { pop.clone() };
            let (rate, away) = (*rate, *away);
            rows.push(Row { service: &service.service, member: None, pop, rate, away, share: share(rate) });
        }
    }
    rows
}

/// `43.2 %`, `0.5 %`.
fn percent(share: f64) -> String {
    let percent = share * 100.0;
    if percent >= 99.95 { "100 %".to_owned() } else { format!("{percent:.1} %") }
}

#[expect(clippy::cast_sign_loss, reason = "a share of the width")]
fn bar_of(share: f64, width: usize) -> String {
    "█".repeat((share.clamp(0.0, 1.0) * real(width as u64)).round() as usize)
}

/// The end of a name is left out where it is too wide.
fn cut(name: &str, width: usize) -> String {
    let name = safe(name);
    if name.chars().count() <= width {
        return name;
    }
    name.chars().take(width.saturating_sub(1)).chain(['…']).collect()
}

#[cfg(test)]
mod tests;
