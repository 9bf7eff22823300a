//! Checks that are made of other checks (SEMANTICS §4.9).

use super::super::state::State;

/// `all`, `any`, `at_least` and `not` over things that have a state. Pure.
///
/// States are ordered from bad to good: down, recovering, suspect, unknown, up. `all` is as good as its worst part, `any`
/// as its best, `at_least: n` as its n-th best. So a part of which nothing is known never takes an address away by itself,
/// and a part that begins to fail shows as `suspect` where it will matter.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Formula<T> {
    /// This thing's own state.
    Of(T),
    /// Every one of these; up when there is none.
    All(Vec<Self>),
    /// At least one of these; down when there is none.
    Any(Vec<Self>),
    /// At least so many of these, 1 and up.
    AtLeast(u16, Vec<Self>),
    /// The opposite: up and down are exchanged, and so are suspect (still up, failing) and recovering (still down, better).
    /// Unknown stays unknown.
    Not(Box<Self>),
}

impl<T> Formula<T> {
    /// Its state, given those of its parts.
    pub fn state(&self, of: &impl Fn(&T) -> State) -> State {
        match self {
            Self::Of(part) => of(part),
            Self::All(parts) => parts.iter().map(|part| part.state(of)).min_by_key(|s| rank(*s)).unwrap_or(State::Up),
            Self::Any(parts) => parts.iter().map(|part| part.state(of)).max_by_key(|s| rank(*s)).unwrap_or(State::Down),
            Self::AtLeast(n, parts) => {
                let mut states: Vec<State> = parts.iter().map(|part| part.state(of)).collect();
                states.sort_by_key(|state| std::cmp::Reverse(rank(*state)));
                states.get(usize::from(*n).saturating_sub(1)).copied().unwrap_or(State::Down)
            }
            Self::Not(part) => opposite(part.state(of)),
        }
    }

    /// The same over other things; `None` when one of them has none.
    pub fn map<U>(&self, to: &mut impl FnMut(&T) -> Option<U>) -> Option<Formula<U>> {
        let mut list = |parts: &[Self]| parts.iter().map(|part| part.map(to)).collect::<Option<Vec<_>>>();
        Some(match self {
            Self::All(parts) => Formula::All(list(parts)?),
            Self::Any(parts) => Formula::Any(list(parts)?),
            Self::AtLeast(n, parts) => Formula::AtLeast(*n, list(parts)?),
            Self::Not(part) => Formula::Not(Box::new(part.map(to)?)),
            Self::Of(part) => Formula::Of(to(part)?),
        })
    }

    /// The things it is made of, in the order written.
    pub fn parts(&self) -> Vec<&T> {
        match self {
            Self::Of(part) => vec![part],
            Self::All(parts) | Self::Any(parts) | Self::AtLeast(_, parts) => {
                parts.iter().flat_map(Self::parts).collect()
            }
            Self::Not(part) => part.parts(),
        }
    }

    /// `all of 3`, `any of 2`, `at least 2 of 3`, `not`.
    pub fn operation(&self) -> String {
        match self {
            Self::Of(_) => "the same as another".to_owned(),
            Self::All(parts) => format!("all of {}", parts.len()),
            Self::Any(parts) => format!("any of {}", parts.len()),
            Self::AtLeast(n, parts) => format!("at least {n} of {}", parts.len()),
            Self::Not(_) => "not".to_owned(),
        }
    }
}

fn rank(state: State) -> u8 {
    match state {
        State::Down => 0,
        State::Recovering => 1,
        State::Suspect => 2,
        State::Unknown => 3,
        State::Up => 4,
    }
}

fn opposite(state: State) -> State {
    match state {
        State::Down => State::Up,
        State::Recovering => State::Suspect,
        State::Suspect => State::Recovering,
        State::Unknown => State::Unknown,
        State::Up => State::Down,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(letter: char) -> Formula<State> {
        Formula::Of(match letter {
            'u' => State::Up,
            's' => State::Suspect,
            'd' => State::Down,
            'r' => State::Recovering,
            _ => State::Unknown,
        })
    }

    fn list(letters: &str) -> Vec<Formula<State>> {
        letters.chars().map(of).collect()
    }

    #[track_caller]
    fn check(formula: &Formula<State>, expected: State) {
        assert_eq!(formula.state(&|state| *state), expected, "{formula:?}");
    }

    #[test]
    fn all_is_as_good_as_its_worst_part() {
        let cases =
            [("", 'u'), ("u", 'u'), ("uu", 'u'), ("us", 's'), ("u?", '?'), ("s?", 's'), ("ur", 'r'), ("?d", 'd')];
        for (parts, expected) in cases {
            check(&Formula::All(list(parts)), of(expected).state(&|s| *s));
        }
    }

    #[test]
    fn any_is_as_good_as_its_best_part() {
        let cases = [("", 'd'), ("d", 'd'), ("du", 'u'), ("d?", '?'), ("ds", 's'), ("dr", 'r'), ("s?", '?')];
        for (parts, expected) in cases {
            check(&Formula::Any(list(parts)), of(expected).state(&|s| *s));
        }
    }

    #[test]
    fn at_least_is_between_them() {
        for parts in ["u", "d?", "usd", "rrr?u", "duds"] {
            check(&Formula::AtLeast(1, list(parts)), Formula::Any(list(parts)).state(&|s| *s));
            check(&Formula::AtLeast(parts.len() as u16, list(parts)), Formula::All(list(parts)).state(&|s| *s));
            check(&Formula::AtLeast(parts.len() as u16 + 1, list(parts)), State::Down);
        }
        check(&Formula::AtLeast(2, list("uds")), State::Suspect);
        check(&Formula::AtLeast(2, list("udd")), State::Down);
    }

    #[test]
    fn not_exchanges_what_is_usable_for_what_is_not() {
        for (state, expected) in [('u', 'd'), ('d', 'u'), ('s', 'r'), ('r', 's'), ('?', '?')] {
            let not = Formula::Not(Box::new(of(state)));
            check(&not, of(expected).state(&|s| *s));
            check(&Formula::Not(Box::new(not)), of(state).state(&|s| *s));
        }
    }

    #[test]
    fn parts_and_words() {
        let formula = Formula::All(vec![Formula::Any(vec![Formula::Of(1), Formula::Of(2)]), Formula::Of(3)]);
        assert_eq!((formula.parts(), formula.operation()), (vec![&1, &2, &3], "all of 2".to_owned()));
        assert_eq!(formula.map(&mut |n| (*n < 3).then_some(())), None);
        assert_eq!(formula.map(&mut |n| Some(n * 2)).unwrap().parts(), [&2, &4, &6]);
    }
}
