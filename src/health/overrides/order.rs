//! What an order of the operator does to the overrides, or why it is refused.

use std::collections::BTreeSet;
use std::time::Duration;

use super::{ALL, Override, Overrides, Scope, Word};

/// Least time of `for` and `over`.
pub const MIN_TIME: Duration = Duration::from_secs(1);
/// Longest time of `for`.
pub const MAX_FOR: Duration = Duration::from_hours(366 * 24);
/// Longest time of `over`.
pub const MAX_OVER: Duration = Duration::from_hours(7 * 24);
/// Longest reason, in characters.
pub const MAX_REASON: usize = 500;

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// `fra`, `web` or `web@fra`; `pop:fra` and `service:web` where a name is both.
    pub target: String,
    /// What is to be done.
    pub action: Action,
    /// When it is to end by itself: [`MIN_TIME`] to [`MAX_FOR`].
    pub lasts: Option<Duration>,
    /// Gradually, over this time: [`MIN_TIME`] to [`MAX_OVER`].
    pub over: Option<Duration>,
    /// Why; not empty for `drain`, `up` and `down`.
    pub reason: String,
    /// Who asks.
    pub by: String,
    /// Also when a service is then below its `min_up`.
    pub force: bool,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Prefer anyone else.
    Drain,
    /// Take a drain back.
    Undrain,
    /// Usable, whatever is measured.
    Up,
    /// Never used.
    Down,
    /// Take back whatever was said.
    Clear,
}

impl Action {
    /// The word of the API and the audit log.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Drain => "drain",
            Self::Undrain => "undrain",
            Self::Up => "up",
            Self::Down => "down",
            Self::Clear => "clear",
        }
    }
}

/// The names an order may bear, and what it must leave.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Roster {
    /// Every PoP.
    pub pops: Vec<RosterPop>,
    /// Every service.
    pub services: Vec<RosterService>,
}

/// A PoP of the files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RosterPop {
    /// Its name.
    pub name: String,
    /// Where `drain: true` was written, as `file:line:column`.
    pub written_drain: Option<String>,
}

/// A service of the files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RosterService {
    /// Its name.
    pub name: String,
    /// Usable PoPs an override must leave.
    pub min_up: u16,
    /// Its PoPs.
    pub members: Vec<RosterMember>,
}

/// A service at a PoP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RosterMember {
    /// The PoP.
    pub pop: String,
    /// Whether it is usable by what is measured.
    pub usable: bool,
    /// Whether the files drain it.
    pub written_drain: bool,
}

/// An order that was accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done {
    /// The overrides from now on.
    pub overrides: Overrides,
    /// What the order was about.
    pub scope: Scope,
    /// The override of that scope from now on.
    pub set: Option<Override>,
    /// What the operator should know besides.
    pub notes: Vec<String>,
}

/// An order that was refused, in words: lower case, no final period, the operator's words in backticks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What kind of mistake it is.
    pub kind: RefusalKind,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
}

/// Why an order was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusalKind {
    /// It makes no sense as it is.
    Invalid,
    /// It names what is not there.
    Unknown,
    /// It does not fit what is now.
    Conflict,
}

impl Refusal {
    fn new(kind: RefusalKind, message: impl Into<String>, help: impl Into<String>) -> Self {
        let help = help.into();
        Self { kind, message: message.into(), help: (!help.is_empty()).then_some(help) }
    }

    fn invalid(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self::new(RefusalKind::Invalid, message, help)
    }

    fn conflict(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self::new(RefusalKind::Conflict, message, help)
    }
}

impl Overrides {
    /// The overrides after an order given at `now_ms`.
    ///
    /// # Errors
    /// [`Refusal`]; then nothing is to change.
    pub fn order(&self, order: &Order, roster: &Roster, now_ms: u64) -> Result<Done, Refusal> {
        order.validate()?;
        let scope = roster.scope(&order.target)?;
        let mut overrides = self.clone();
        overrides.prune(now_ms);
        let (since, own) = (now_ms / 1000, self.of(&scope, now_ms));
        let item = |word, over, from_share| Override {
            scope: scope.clone(),
            word,
            since,
            // Rounded up: it lasts at least as long as was asked for.
            until: order.lasts.map(|time| now_ms.div_ceil(1000).saturating_add(time.as_secs())),
            over,
            from_share,
            reason: order.reason.trim().to_owned(),
            by: order.by.clone(),
        };
        let share = self.share_of(&scope, now_ms);
        let set = match order.action {
            Action::Up => Some(item(Word::Up, None, ALL)),
            Action::Down => Some(item(Word::Down, None, ALL)),
            // Where nothing is left, nothing can fall.
            Action::Drain => Some(item(Word::Drain, order.over.filter(|_| share > 0), share)),
            Action::Undrain => {
                match own.map(|own| own.word) {
                    Some(Word::Drain | Word::Return) => {}
                    Some(word) => {
                        let message = format!("`{scope}` is forced {word}, not drained");
                        return Err(Refusal::conflict(message, format!("`catchment force clear {}`", order.target)));
                    }
                    None => return Err(self.not_drained(&scope, roster, now_ms)),
                }
                order.over.filter(|_| share < ALL).map(|over| item(Word::Return, Some(over), share))
            }
            Action::Clear => {
                if own.is_none() {
                    return Err(Refusal::conflict(format!("there is no override of `{scope}`"), self.said(now_ms)));
                }
                None
            }
        };
        match &set {
            Some(set) => overrides.put(set.clone()),
            None => drop(overrides.remove(&scope)),
        }
        let mut notes = Vec::new();
        if matches!(order.action, Action::Drain | Action::Down) {
            self.keep_min_up(&overrides, order, roster, now_ms, &mut notes)?;
        }
        notes.extend(overrides.still(&scope, order.action, roster, now_ms));
        Ok(Done { overrides, scope, set, notes })
    }

    /// The share a ramp of this scope starts from.
    fn share_of(&self, scope: &Scope, now_ms: u64) -> u16 {
        let own = self.of(scope, now_ms).and_then(|own| own.effect(now_ms));
        let effect = match (own, scope) {
            (None, Scope::Both { service, pop }) => self.effect(service, pop, now_ms),
            (own, _) => own.unwrap_or_default(),
        };
        effect.share
    }

    /// Refuses what leaves a service fewer usable PoPs than it had and than its `min_up` (SEMANTICS §4.11).
    fn keep_min_up(
        &self,
        after: &Self,
        order: &Order,
        roster: &Roster,
        now_ms: u64,
        notes: &mut Vec<String>,
    ) -> Result<(), Refusal> {
        for service in &roster.services {
            let (was, left) = (self.left(service, now_ms), after.left(service, now_ms));
            let (name, least) = (&service.name, service.min_up);
            if left.len() >= was.len() || left.len() >= usize::from(least) {
                continue;
            }
            let remain = match left.len() {
                0 => "no usable PoP".to_owned(),
                1 => format!("one usable PoP (`{}`)", left[0]),
                count => format!("{count} usable PoPs"),
            };
            if !order.force {
                return Err(Refusal::conflict(
                    format!("this would leave `{name}` {remain}; its `min_up` is {least}"),
                    "to do it all the same, add `--force`",
                ));
            }
            notes.push(format!("`{name}` has {remain} left, below its `min_up` of {least}"));
        }
        Ok(())
    }

    /// The PoPs of a service that clients are still sent to gladly.
    fn left<'r>(&self, service: &'r RosterService, now_ms: u64) -> Vec<&'r str> {
        let gladly = |member: &&RosterMember| {
            let holds = self.holding(&service.name, &member.pop, now_ms);
            let word = holds.filter(|(item, _)| !item.returns(now_ms)).map(|(item, _)| item.word);
            !member.written_drain
                && match word {
                    Some(Word::Up) => true,
                    Some(Word::Down | Word::Drain) => false,
                    Some(Word::Return) | None => member.usable,
                }
        };
        service.members.iter().filter(gladly).map(|member| member.pop.as_str()).collect()
    }

    /// Why an undrain finds nothing to take back.
    fn not_drained(&self, scope: &Scope, roster: &Roster, now_ms: u64) -> Refusal {
        if let Some((pop, place)) = roster.written_drain(scope) {
            return Refusal::conflict(
                format!("`{pop}` is drained in its file, at {place}; no command undoes that"),
                "take `drain: true` out there; that is live within a second",
            );
        }
        if let Scope::Both { service, pop } = scope
            && let Some((holds, _)) = self.holding(service, pop, now_ms)
            && matches!(holds.word, Word::Drain | Word::Return)
        {
            let (wider, word) = (&holds.scope, holds.word);
            return Refusal::conflict(
                format!("`{scope}` has no drain of its own; what holds there is {word} of `{wider}`"),
                format!("`catchment undrain {wider}`, or `catchment force up {scope}` for this alone"),
            );
        }
        Refusal::conflict(format!("`{scope}` is not drained"), self.said(now_ms))
    }

    fn said(&self, now_ms: u64) -> String {
        let holding = self.list.iter().filter(|item| item.effect(now_ms).is_some());
        let list: Vec<_> = holding.map(|item| format!("{} of `{}`", item.word, item.scope)).collect();
        if list.is_empty() { "there are no overrides".to_owned() } else { format!("there are: {}", list.join(", ")) }
    }

    /// What still holds where the operator may believe it does not.
    fn still(&self, scope: &Scope, action: Action, roster: &Roster, now_ms: u64) -> Vec<String> {
        let mut notes = Vec::new();
        if !matches!(action, Action::Drain | Action::Down)
            && let Some((pop, place)) = roster.written_drain(scope)
        {
            notes.push(format!("`{pop}` stays drained by its file, at {place}"));
        }
        let narrower = |item: &&Override| {
            let within = match (&item.scope, scope) {
                (Scope::Both { pop, .. }, Scope::Pop(name)) => pop == name,
                (Scope::Both { service, .. }, Scope::Service(name)) => service == name,
                (Scope::Pop(pop), Scope::Service(name)) => {
                    let has = |s: &RosterService| s.name == *name && s.members.iter().any(|m| m.pop == *pop);
                    roster.services.iter().any(has)
                }
                (Scope::Pop(_) | Scope::Service(_) | Scope::Both { .. }, _) => false,
            };
            within && item.effect(now_ms).is_some()
        };
        let narrower = self.list.iter().filter(narrower);
        notes.extend(narrower.map(|o| format!("{} of `{}` is more specific and still holds there", o.word, o.scope)));
        if let (None, Scope::Both { service, pop }) = (self.of(scope, now_ms), scope)
            && let Some((item, _)) = self.holding(service, pop, now_ms)
        {
            notes.push(format!("{} of `{}` now holds there", item.word, item.scope));
        }
        notes
    }
}

impl Order {
    fn validate(&self) -> Result<(), Refusal> {
        let action = self.action.as_str();
        let reason = self.reason.trim();
        if matches!(self.action, Action::Drain | Action::Up | Action::Down) && reason.is_empty() {
            let help = "say why with `--reason`: whoever is on call next will read it";
            return Err(Refusal::invalid(format!("`{action}` needs a reason"), help));
        }
        if reason.chars().count() > MAX_REASON || reason.contains(char::is_control) {
            let help = format!("one line of at most {MAX_REASON} characters");
            return Err(Refusal::invalid("the reason is not a line of text", help));
        }
        let within = |what, time: Option<Duration>, most: Duration| match time {
            Some(time) if time < MIN_TIME || time > most => Err(Refusal::invalid(
                format!("`{what}` is out of range"),
                format!("accepted: {} s to {} days", MIN_TIME.as_secs(), most.as_secs() / 86_400),
            )),
            _ => Ok(()),
        };
        within("for", self.lasts, MAX_FOR)?;
        within("over", self.over, MAX_OVER)?;
        if self.over.is_some() && !matches!(self.action, Action::Drain | Action::Undrain) {
            return Err(Refusal::invalid(format!("`{action}` has no `over`"), "`drain` and `undrain` have"));
        }
        if self.lasts.is_some() && matches!(self.action, Action::Undrain | Action::Clear) {
            return Err(Refusal::invalid(format!("`{action}` has no `for`"), "`drain`, `up` and `down` have"));
        }
        if let (Some(lasts), Some(over)) = (self.lasts, self.over)
            && lasts < over
        {
            return Err(Refusal::invalid("`for` is shorter than `over`", "the drain would end before it is complete"));
        }
        Ok(())
    }
}

impl Roster {
    /// What an order's target means.
    ///
    /// # Errors
    /// A [`Refusal`] when nothing bears the name, or both a PoP and a service do.
    pub fn scope(&self, target: &str) -> Result<Scope, Refusal> {
        let pop = |name: &str| self.pops.iter().any(|pop| pop.name == name);
        let service = |name: &str| self.services.iter().any(|service| service.name == name);
        if let Some((of, at)) = target.split_once('@') {
            if !service(of) {
                return Err(unknown("service", of, self.service_names()));
            }
            if !pop(at) {
                return Err(unknown("PoP", at, self.pop_names()));
            }
            let members = self.services.iter().filter(|s| s.name == of).flat_map(|s| &s.members);
            let places: BTreeSet<&str> = members.map(|member| member.pop.as_str()).collect();
            if !places.contains(at) {
                let message = format!("`{of}` is not served at `{at}`");
                return Err(Refusal::new(RefusalKind::Unknown, message, format!("it is at {}", quoted(places))));
            }
            return Ok(Scope::Both { service: of.to_owned(), pop: at.to_owned() });
        }
        if let Some(name) = target.strip_prefix("pop:") {
            let known = pop(name).then(|| Scope::Pop(name.to_owned()));
            return known.ok_or_else(|| unknown("PoP", name, self.pop_names()));
        }
        if let Some(name) = target.strip_prefix("service:") {
            let known = service(name).then(|| Scope::Service(name.to_owned()));
            return known.ok_or_else(|| unknown("service", name, self.service_names()));
        }
        match (pop(target), service(target)) {
            (true, false) => Ok(Scope::Pop(target.to_owned())),
            (false, true) => Ok(Scope::Service(target.to_owned())),
            (true, true) => Err(Refusal::invalid(
                format!("`{target}` is a PoP and a service"),
                format!("write `pop:{target}` or `service:{target}`"),
            )),
            (false, false) => Err(unknown("PoP or service", target, &self.pop_names() | &self.service_names())),
        }
    }

    /// A PoP of this scope that its file drains, and where.
    fn written_drain(&self, scope: &Scope) -> Option<(&str, &str)> {
        let (Scope::Pop(name) | Scope::Both { pop: name, .. }) = scope else { return None };
        let mut of_name = self.pops.iter().filter(|pop| pop.name == *name);
        of_name.find_map(|pop| Some((pop.name.as_str(), pop.written_drain.as_deref()?)))
    }

    fn pop_names(&self) -> BTreeSet<&str> {
        self.pops.iter().map(|pop| pop.name.as_str()).collect()
    }

    fn service_names(&self) -> BTreeSet<&str> {
        self.services.iter().map(|service| service.name.as_str()).collect()
    }
}

fn unknown(what: &str, name: &str, names: BTreeSet<&str>) -> Refusal {
    let lower = name.to_lowercase();
    // Longer than any name, and a distance takes the product of the lengths.
    let near = (name.len() <= 128)
        .then(|| {
            let distances = names.iter().map(|known| (strsim::osa_distance(&lower, &known.to_lowercase()), *known));
            distances.filter(|(distance, known)| distance * 3 <= known.chars().count().max(3)).min()
        })
        .flatten();
    let help = match near {
        Some((_, near)) => format!("did you mean `{near}`?"),
        None if names.is_empty() => "the files name none".to_owned(),
        None => format!("there are {}", quoted(names)),
    };
    let shown: String = name.chars().take(80).flat_map(char::escape_debug).collect();
    Refusal::new(RefusalKind::Unknown, format!("there is no {what} `{shown}`"), help)
}

/// `` `a`, `b` ``; at most sixteen.
fn quoted(words: BTreeSet<&str>) -> String {
    const SHOWN: usize = 16;
    let more = if words.len() > SHOWN { ", …" } else { "" };
    let list: Vec<_> = words.into_iter().take(SHOWN).map(|word| format!("`{word}`")).collect();
    list.join(", ") + more
}
