//! Which tests may fare otherwise than on libzmq, and why: a list by name, which has to be exactly right.

use std::collections::BTreeMap;

use crate::run::{Outcome, Outcomes};

/// What a test that passes on libzmq does here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exception {
    Skips,
    Fails,
    /// Passes; but it races with itself, on libzmq as well, and may be tried again.
    Flaky,
}

/// By the tests' names.
pub(crate) type Exceptions = BTreeMap<String, Exception>;

/// Reads the list. `#` begins a comment, `=` a reason for the entries that follow it; an entry is `skips`, `fails` or
/// `flaky` and a test's name.
///
/// # Errors
/// What is wrong, if there is anything else, an entry without a reason, or two for one test.
pub(crate) fn parse(text: &str) -> Result<Exceptions, String> {
    let mut exceptions = Exceptions::new();
    let mut has_reason = false;
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if line.starts_with('=') {
            has_reason = true;
            continue;
        }
        let (exception, test) = match line.split_once(' ') {
            Some(("skips", test)) => (Exception::Skips, test),
            Some(("fails", test)) => (Exception::Fails, test),
            Some(("flaky", test)) => (Exception::Flaky, test),
            _ => return Err(format!("neither skips, fails nor flaky: {line}")),
        };
        if !has_reason {
            return Err(format!("without a reason: {line}"));
        }
        if exceptions.insert(test.trim().to_owned(), exception).is_some() {
            return Err(format!("listed twice: {line}"));
        }
    }
    Ok(exceptions)
}

/// What is not as it has to be, a line each: nothing if every test that passes on libzmq passes here and every one that
/// skips itself there does so here, except those listed, which do what the list says.
pub(crate) fn complaints(stock: &Outcomes, ours: &Outcomes, exceptions: &Exceptions) -> Vec<String> {
    let mut complaints = Vec::new();
    for (test, expected) in stock {
        let Some(found) = ours.get(test) else {
            complaints.push(format!("{test}: did not run"));
            continue;
        };
        let exception = exceptions.get(test);
        let is_right = match (expected, exception, found) {
            // Whatever is wrong there, it is not for this library to be right about.
            (Outcome::Failed(_), ..) => true,
            (Outcome::Passed, None | Some(Exception::Flaky), Outcome::Passed) => true,
            (Outcome::Passed, Some(Exception::Skips), Outcome::Skipped(_)) => true,
            (Outcome::Passed, Some(Exception::Fails), Outcome::Failed(_)) => true,
            (Outcome::Skipped(_), None, Outcome::Skipped(_)) => true,
            _ => false,
        };
        if !is_right {
            let listed = exception.map_or(String::new(), |exception| format!(", listed as {exception:?}"));
            complaints.push(format!("{test}{listed}: libzmq {}, Ringway {}", brief(expected), brief(found)));
        }
    }
    for (test, found) in ours {
        if !stock.contains_key(test) && *found != Outcome::Passed {
            complaints.push(format!("{test}: libzmq has no such test, Ringway {}", brief(found)));
        }
    }
    complaints
}

/// The entries that name no test.
pub(crate) fn unknown(stock: &Outcomes, exceptions: &Exceptions) -> Vec<String> {
    let unknown = exceptions.keys().filter(|test| !stock.contains_key(*test));
    unknown.map(|test| format!("{test}: listed, but there is no such test")).collect()
}

fn brief(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Passed => "passed".to_owned(),
        Outcome::Skipped(why) => format!("skipped ({why})"),
        Outcome::Failed(why) => format!("FAILED ({why})"),
    }
}

#[cfg(test)]
mod tests {
    use super::{Exception, Exceptions, complaints, parse, unknown};
    use crate::run::{Outcome, Outcomes};

    fn outcomes(list: &[(&str, Outcome)]) -> Outcomes {
        list.iter().map(|(test, outcome)| ((*test).to_owned(), outcome.clone())).collect()
    }

    fn skipped() -> Outcome {
        Outcome::Skipped("why not".to_owned())
    }

    fn failed() -> Outcome {
        Outcome::Failed("it is wrong".to_owned())
    }

    #[test]
    fn a_list_has_reasons_and_entries() {
        let exceptions =
            parse("# a comment\n= because\nskips a.py::b[c-*]\n\nflaky d.py::e\n= or so\nfails f\n").unwrap();
        let expected = [("a.py::b[c-*]", Exception::Skips), ("d.py::e", Exception::Flaky), ("f", Exception::Fails)];
        assert_eq!(exceptions, expected.map(|(test, exception)| (test.to_owned(), exception)).into());
    }

    #[test]
    fn an_entry_has_a_reason_and_is_listed_once() {
        assert_eq!(parse("skips a\n= too late"), Err("without a reason: skips a".to_owned()));
        assert_eq!(parse("= because\nskips a\nfails a"), Err("listed twice: fails a".to_owned()));
        assert!(parse("= because\nmay a").is_err());
    }

    #[test]
    fn the_same_is_right_and_libzmqs_failures_are_its_own() {
        let stock = outcomes(&[("a", Outcome::Passed), ("b", skipped()), ("c", failed()), ("d", failed())]);
        let ours = outcomes(&[("a", Outcome::Passed), ("b", skipped()), ("c", failed()), ("d", Outcome::Passed)]);
        assert_eq!(complaints(&stock, &ours, &Exceptions::new()), Vec::<String>::new());
    }

    #[test]
    fn whatever_differs_is_told() {
        let stock =
            outcomes(&[("a", Outcome::Passed), ("b", Outcome::Passed), ("c", skipped()), ("d", Outcome::Passed)]);
        let ours = outcomes(&[("a", skipped()), ("b", failed()), ("c", failed()), ("e", failed())]);
        let told = complaints(&stock, &ours, &Exceptions::new());
        let about: Vec<&str> = told.iter().map(|line| &line[..1]).collect();
        assert_eq!(about, ["a", "b", "c", "d", "e"]);
    }

    #[test]
    fn a_listed_test_does_what_the_list_says() {
        let exceptions = parse("= because\nskips a\nfails b\nflaky c\n").unwrap();
        let stock = outcomes(&[("a", Outcome::Passed), ("b", Outcome::Passed), ("c", Outcome::Passed)]);
        let as_listed = outcomes(&[("a", skipped()), ("b", failed()), ("c", Outcome::Passed)]);
        assert_eq!(complaints(&stock, &as_listed, &exceptions), Vec::<String>::new());
        // An exception that is none any more has to leave the list.
        let otherwise = outcomes(&[("a", Outcome::Passed), ("b", Outcome::Passed), ("c", failed())]);
        assert_eq!(complaints(&stock, &otherwise, &exceptions).len(), 3);
    }

    #[test]
    fn a_list_names_tests_that_exist() {
        let exceptions = parse("= because\nskips a\nfails b\n").unwrap();
        assert_eq!(unknown(&outcomes(&[("a", Outcome::Passed)]), &exceptions).len(), 1);
    }
}
