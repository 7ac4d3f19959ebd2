//! What hangs on the visa of somebody who revokes by a role, put into words.

use crate::shown::shown;
use gridpass_credentials::hanging::Hanging;
use gridpass_credentials::visa::Purpose;

/// What happens to it, and what to do: a line for each, and the next step.
pub fn lines(hanging: &[Hanging], what_happens: &str) -> String {
    if hanging.is_empty() {
        return String::new();
    }
    let mut text = format!("  {what_happens}\n");
    for one in hanging {
        let (done, verb) = match one.purpose {
            Purpose::Revocation => ("revoked", "revoke"),
            Purpose::Suspension => ("suspended", "suspend"),
        };
        text.push_str(&format!(
            "    {done} {} of {}: {} takes it over with `gridpass visa {verb} {}`\n",
            shown(&one.role),
            one.holder,
            one.issuer,
            shown(&one.visa)
        ));
    }
    text
}
