//! A headless Chromium, driven over WebDriver.

use std::{
    fs,
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    time::Instant,
};

use serde_json::{Value, json};
use ureq::Agent;

use crate::support::LONG;

pub(super) const ENTER: &str = "\u{e007}";
pub(super) const ESCAPE: &str = "\u{e00c}";
pub(super) const DOWN: &str = "\u{e015}";

pub(super) struct Browser {
    driver: Child,
    agent: Agent,
    session: String,
}

impl Browser {
    #[track_caller]
    pub(super) fn open(url: &str, dark: bool) -> Self {
        let mut driver = Command::new("chromedriver")
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver, as of Debian's package chromium-driver");
        let mut lines = BufReader::new(driver.stdout.take().unwrap()).lines();
        let port = lines
            .by_ref()
            .map_while(Result::ok)
            .find_map(|line| {
                let (_, port) = line.split_once("started successfully on port ")?;
                Some(port.trim_end_matches('.').to_owned())
            })
            .expect("a driver that listens");
        // Kept open, or the driver could not write.
        std::thread::spawn(move || lines.for_each(drop));

        let agent: Agent = Agent::config_builder()
            .http_status_as_error(false)
            .proxy(None)
            .timeout_global(Some(LONG * 2))
            .build()
            .into();
        let mut browser = Self {
            driver,
            agent,
            session: format!("http://127.0.0.1:{port}/session"),
        };
        let mut flags = vec![
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--no-proxy-server",
        ];
        if dark {
            flags.push("--blink-settings=preferredColorScheme=0");
        }
        let session = browser.command(
            "",
            &json!({ "capabilities": { "alwaysMatch": {
                "goog:chromeOptions": { "args": flags },
                "goog:loggingPrefs": { "browser": "ALL" },
            } } }),
        );
        browser.session = format!(
            "{}/{}",
            browser.session,
            session["sessionId"].as_str().unwrap()
        );
        browser.command("/url", &json!({ "url": url }));
        browser
    }

    /// What this JavaScript returns.
    #[track_caller]
    pub(super) fn run(&self, script: &str) -> Value {
        self.command("/execute/sync", &json!({ "script": script, "args": [] }))
    }

    /// What the promise of this JavaScript expression gives.
    #[track_caller]
    pub(super) fn ask(&self, promise: &str) -> Value {
        let script =
            format!("{promise}.then(arguments[0], (error) => arguments[0](String(error)))");
        self.command("/execute/async", &json!({ "script": script, "args": [] }))
    }

    /// Waits until this expression is true.
    #[track_caller]
    pub(super) fn wait(&self, condition: &str) {
        let begin = Instant::now();
        // Each question waits for a frame of the page, so this is no busy loop.
        let script = format!(
            "const done = arguments[0]; requestAnimationFrame(() => done(Boolean({condition})));"
        );
        loop {
            let holds = self.command("/execute/async", &json!({ "script": script, "args": [] }));
            if holds == true {
                return;
            }
            assert!(
                begin.elapsed() < LONG,
                "never came true: {condition}\n{}",
                self.run("return document.body.innerText")
            );
        }
    }

    /// Types into the element that has the focus.
    #[track_caller]
    pub(super) fn press(&self, keys: &str) {
        let actions: Vec<_> = keys
            .chars()
            .flat_map(|key| ["keyDown", "keyUp"].map(|kind| json!({ "type": kind, "value": key })))
            .collect();
        let keyboard = json!({ "type": "key", "id": "keyboard", "actions": actions });
        self.command("/actions", &json!({ "actions": [keyboard] }));
    }

    /// Makes the window this large, and keeps a picture in the folder that `TRUBRICS_SCREENSHOTS` names, if it does.
    #[track_caller]
    pub(super) fn picture(&self, name: &str, width: u32, height: u32) {
        // Not the window's size, which has a minimum.
        self.tools(
            "Emulation.setDeviceMetricsOverride",
            &json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false }),
        );
        let Some(folder) = std::env::var_os("TRUBRICS_SCREENSHOTS") else {
            return;
        };
        let picture = self.tools("Page.captureScreenshot", &json!({}));
        let path = std::path::Path::new(&folder).join(format!("{name}.base64"));
        fs::write(path, picture["data"].as_str().unwrap()).unwrap();
    }

    /// Runs a command of the browser's own developer tools.
    #[track_caller]
    pub(super) fn tools(&self, command: &str, parameters: &Value) -> Value {
        self.command(
            "/goog/cdp/execute",
            &json!({ "cmd": command, "params": parameters }),
        )
    }

    /// What the browser had to complain about.
    #[track_caller]
    pub(super) fn complaints(&self) -> Value {
        self.command("/se/log", &json!({ "type": "browser" }))
    }

    #[track_caller]
    fn command(&self, path: &str, parameters: &Value) -> Value {
        let url = format!("{}{path}", self.session);
        let request = self
            .agent
            .post(&url)
            .header("content-type", "application/json");
        let mut answer = request.send(parameters.to_string()).expect("an answer");
        let body = answer
            .body_mut()
            .with_config()
            .limit(u64::MAX)
            .read_to_vec();
        let mut body: Value = serde_json::from_slice(&body.expect("a body")).expect("JSON");
        assert!(answer.status().is_success(), "{path}: {}", body["value"]);
        body["value"].take()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Ends the browser; the driver alone would leave it behind.
        let _ = self.agent.delete(&self.session).call();
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}
