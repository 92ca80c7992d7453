use std::process::Command;

use crate::{
    program::{Folder, Program, free_port, installed},
    support::{
        assert_no_failure, assert_once, assert_settled, build, client_of, received, send_each,
    },
};

#[test]
#[ignore = "needs servers: run .ci/servers"]
fn answers_in_http_1_0_are_answers() {
    let with_length = ("LENGTH", "1");
    let kept = ("KEEP_ALIVE", "1");
    for (protocol, variables) in [
        ("HTTP/1.0", &[][..]),
        ("HTTP/1.0", &[with_length]),
        ("HTTP/1.0", &[with_length, kept]),
        ("HTTP/1.1", &[with_length]),
    ] {
        let Some(python) = installed("python3") else {
            return;
        };
        let (folder, port) = (Folder::new(), free_port());
        let app = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/servers/http_server_app.py"
        );
        let mut command = Command::new(python);
        command
            .args([app, &port.to_string()])
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("FOLDER", &folder.0)
            .env("PROTOCOL", protocol)
            .envs(variables.iter().copied());
        let _server = Program::start(&mut command, &folder, port);
        let client = build(client_of(format!("http://127.0.0.1:{port}")));
        send_each(&client, 0..20);
        assert_once(&received(&folder), 0..20);
        assert_settled(&client, 20, &[]);
        assert_no_failure(&client);
    }
}
