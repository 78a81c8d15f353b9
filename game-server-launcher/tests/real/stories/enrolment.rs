//! How a launcher comes to know its login server.

use protocol::{Enrollment, EnrollmentSecret};
use rustix::process::Signal;

use crate::{
    launcher::Launcher,
    login_server::{LoginServer, another_pin},
};

async fn enroll(launcher: &Launcher, enrollment: &Enrollment) -> (bool, String) {
    let output = launcher.enroll(enrollment).await;
    (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[actix::test]
async fn a_launcher_that_runs_is_named_when_enrolment_needs_it_stopped() {
    let login = LoginServer::start().await;
    let mut launcher = Launcher::new("");
    launcher.start();
    launcher.until_written("ready.json", "spki_fingerprint").await;
    let (enrolled, error) = enroll(&launcher, &login.enrollment()).await;
    assert!(!enrolled && error.contains("a launcher (process"), "{error}");
    assert_eq!(launcher.end(Signal::TERM).await.code(), Some(0));
    let (enrolled, error) = enroll(&launcher, &login.enrollment()).await;
    assert!(enrolled, "{error}");
}

#[actix::test]
async fn a_wrong_secret_and_a_wrong_server_are_refused() {
    let login = LoginServer::start().await;
    let launcher = Launcher::new("");
    let good = login.enrollment();
    let secret = EnrollmentSecret([9; 32]);
    let (enrolled, error) = enroll(&launcher, &Enrollment { secret, ..good.clone() }).await;
    assert!(!enrolled && error.contains("unknown, used or expired"), "{error}");
    let (enrolled, error) = enroll(&launcher, &Enrollment { pin: another_pin(), ..good }).await;
    assert!(!enrolled && error.contains("cannot reach"), "{error}");
    assert!(!launcher.data_dir().join("login-server.json").exists());
}

#[actix::test]
async fn a_launcher_that_is_not_enrolled_any_more_says_what_to_do() {
    let mut login = LoginServer::start().await;
    let mut launcher = Launcher::new("");
    let (enrolled, error) = enroll(&launcher, &login.enrollment()).await;
    assert!(enrolled, "{error}");
    login.die().await;
    login.begin(false).await;
    launcher.start();
    launcher.until_written("launcher.log", "run `login-server launcher enroll NAME`").await;
}
