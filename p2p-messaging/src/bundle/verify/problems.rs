//! What is missing, or cannot be read: all of it counts, and the first is told.

use super::report::Audit;
use gridpass_identity::code::Code;

/// The most problems of parts that are told one by one.
const MAX_PROBLEMS: usize = 256;

/// Problems as they are found: of each kind the first are kept, and the others counted.
#[derive(Default)]
pub(super) struct Problems {
    failed: Kept,
    open: Kept,
}

#[derive(Default)]
struct Kept {
    told: Vec<Audit>,
    more: usize,
}

impl Kept {
    fn push(&mut self, audit: Audit) {
        if self.told.len() < MAX_PROBLEMS {
            self.told.push(audit);
        } else {
            self.more = self.more.saturating_add(1);
        }
    }
}

impl Problems {
    /// What is told of them: what failed comes first, so that however much is missing hides nothing; and how
    /// many there are beside those that are told.
    pub(super) fn told(self) -> Vec<Audit> {
        let Self { failed, open } = self;
        let mut more = failed.more.saturating_add(open.more);
        let mut all = failed.told;
        all.extend(open.told);
        more = more.saturating_add(all.len().saturating_sub(MAX_PROBLEMS));
        all.truncate(MAX_PROBLEMS);
        if let Some(last) = all.last().filter(|_| more > 0) {
            let (outcome, code) = (last.outcome, last.code);
            let sentence = format!("{more} more parts are missing or cannot be read");
            all.push(Audit::new("parts", (outcome, code), sentence));
        }
        all
    }

    pub(super) fn open(&mut self, code: Code, sentence: String, name: &impl ToString) {
        self.open.push(Audit::open("parts", code, sentence).on([name.to_string()]));
    }

    pub(super) fn failed(&mut self, code: Code, sentence: String, name: &impl ToString) {
        self.failed.push(Audit::failed("parts", code, sentence).on([name.to_string()]));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codes;
    use gridpass_identity::report::Outcome;

    #[test]
    fn what_failed_is_told_however_much_is_missing() {
        let mut problems = Problems::default();
        for number in 0..300 {
            problems.open(codes::BUNDLE_PART_MISSING, "it is not there".into(), &number);
        }
        problems.failed(codes::RECEIPT_MALFORMED, "it is none".into(), &300);
        let told = problems.told();
        assert_eq!(told.first().map(|t| t.outcome), Some(Outcome::Failed));
        assert_eq!(told.len(), MAX_PROBLEMS + 1);
        let rest = told.last().expect("what is left");
        assert_eq!(rest.sentence, "45 more parts are missing or cannot be read");
        assert_eq!(rest.outcome, Outcome::Indeterminate);
    }

    #[test]
    fn few_are_told_one_by_one() {
        let mut problems = Problems::default();
        problems.open(codes::BUNDLE_PART_MISSING, "it is not there".into(), &1);
        assert_eq!(problems.told().len(), 1);
        assert_eq!(Problems::default().told(), []);
    }
}
