//! The binary as a person meets it first: its help, what it refuses, and what its commands leave behind.

// In a test a panic is how it fails, in the functions that it calls too.
#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::process::{Command, Output};

/// `cardine` in an empty folder, with no setting from this process's environment.
fn cardine(folder: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cardine"));
    command.current_dir(folder).args(arguments).stdin(std::process::Stdio::null());
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("CARDINE_") {
            command.env_remove(name);
        }
    }
    command.envs(variables.iter().copied()).output().expect("the binary runs")
}

fn refused(arguments: &[&str], variables: &[(&str, &str)]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let output = cardine(folder.path(), arguments, variables);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success(), "{arguments:?} {variables:?} was accepted");
    assert!(!folder.path().join("data").exists(), "a refused start leaves nothing behind");
    said
}

#[test]
fn help_lists_the_sub_commands_and_the_options() {
    let folder = tempfile::tempdir().unwrap();
    let output = cardine(folder.path(), &["--help"], &[]);
    let help = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success());
    for word in ["serve", "migrate", "doctor", "plugin", "user", "--listen", "--database", "--cors-origin", "CARDINE_"]
    {
        assert!(help.contains(word), "{word} is not in the help:\n{help}");
    }
    assert!(!help.contains("backup"), "what is not there is not listed:\n{help}");
}

#[test]
fn unknown_options_are_refused_and_named() {
    assert!(refused(&["--lisen", "127.0.0.1:1"], &[]).contains("--lisen"));
    assert!(refused(&["sreve"], &[]).contains("sreve"));
    assert!(refused(&["migrate"], &[("CARDINE_LISEN", "x")]).contains("CARDINE_LISEN"));
}

#[test]
fn contradictory_options_are_refused() {
    assert!(refused(&["migrate", "--listen", "[::1]:1", "--listen", "[::1]:2"], &[]).contains("--listen"));
    let said = refused(&["migrate", "--cors-origin", "*", "--cors-origin", "https://a.example"], &[]);
    assert!(said.contains("cors-origin"), "{said}");
    let said = refused(&["migrate"], &[("CARDINE_ADMIN_EMAIL", "a@example.org")]);
    assert!(said.contains("CARDINE_ADMIN_PASSWORD"), "{said}");
}

#[test]
fn all_faults_are_told_at_once_without_a_password() {
    let said = refused(&["migrate", "--listen", "here", "--database", "mysql://u:hunter2@h/d"], &[]);
    assert!(said.contains("listen") && said.contains("database"), "{said}");
    assert!(!said.contains("hunter2"), "{said}");
}

#[test]
fn a_key_of_the_file_that_nobody_knows_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("cardine.toml"), "lisen = \"127.0.0.1:1\"\n").unwrap();
    let output = cardine(folder.path(), &["migrate"], &[]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && said.contains("cardine.toml") && said.contains("lisen"), "{said}");
}

#[test]
fn a_migrated_database_is_in_order_but_for_its_administrator() {
    let folder = tempfile::tempdir().unwrap();
    let before = cardine(folder.path(), &["doctor"], &[]);
    assert_eq!(before.status.code(), Some(1), "nothing is there yet");
    assert!(cardine(folder.path(), &["migrate"], &[]).status.success());
    let after = cardine(folder.path(), &["doctor"], &[]);
    let report = String::from_utf8(after.stdout).unwrap();
    assert_eq!(after.status.code(), Some(1), "{report}");
    let faults: Vec<&str> = report.lines().filter(|line| line.starts_with("FAULT")).collect();
    assert!(matches!(faults[..], [fault] if fault.contains("administrator")), "{report}");
}

#[cfg(unix)]
#[test]
fn the_data_folder_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    assert!(cardine(folder.path(), &["migrate"], &[]).status.success());
    let mode = std::fs::metadata(folder.path().join("data")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
}
