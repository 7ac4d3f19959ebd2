//! Which panics are told on standard error: each that ends something, and none after which the call goes on.

use gridpass_identity::wallet::sled_open::is_closing;

/// Leaves out what a database panics with where it is closed on a disk that fails: what was acknowledged is
/// there, and the call goes on to its answer.
pub fn leave_out_those_of_closing() {
    let tell = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if !is_closing() {
            tell(panic);
        }
    }));
}

#[cfg(test)]
mod tests {
    use super::*;
    use gridpass_identity::wallet::sled_open::close;
    use std::process::Command;

    /// Not a test of its own: the process that panics.
    #[test]
    fn a_process_that_panics() {
        if std::env::var_os("GRIDPASS_TEST_OF_PANICS").is_none() {
            return;
        }
        leave_out_those_of_closing();
        close(|| panic!("the last sync failed"));
        println!("it goes on");
        panic!("a defect of ours");
    }

    #[test]
    fn a_panic_in_closing_is_not_told_and_every_other_one_is() {
        let output = Command::new(std::env::current_exe().expect("this test"))
            .args(["--exact", "panics::tests::a_process_that_panics", "--nocapture"])
            .env("GRIDPASS_TEST_OF_PANICS", "1")
            .output()
            .expect("it runs");
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        assert!(!output.status.success() && said.contains("it goes on"), "{said}");
        assert!(said.contains("a defect of ours"), "{said}");
        assert!(!said.contains("the last sync failed"), "{said}");
    }
}
