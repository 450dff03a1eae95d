//! What a container has to say: `wait`, `logs`, `top`, `stats`. Its process is none, so that it says what it was told to.
//! DIFFERENCE(output-of-containers).

use std::io::{self, Write};
use std::sync::Arc;
use std::thread::sleep;
use std::time::Duration;

use serde::Serialize;

use super::super::answer::{Answer, Refusal, invalid};
use super::super::call::Call;
use super::super::daemon::Daemon;
use super::super::events;
use super::super::json;
use super::super::record::Record;
use super::change::log;
use crate::base::error::{Error, Result};

/// How long a change may be noticed late.
const PULSE: Duration = Duration::from_millis(20);
/// Between two lines of `docker stats`.
const SECOND: Duration = Duration::from_secs(1);

fn not_running(record: &Record) -> Refusal {
    Error::conflict(format!("Container {} is not running", record.id)).into()
}

/// `POST /containers/{id}/wait`. The head of the answer is sent at once: clients wait for it before they start the
/// container.
pub fn wait(daemon: &Arc<Daemon>, call: &Call, name: &str) -> Result<Answer, Refusal> {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Ended {
        error: Option<()>,
        status_code: i32,
    }
    let condition = call.form.get("condition").to_owned();
    let first = daemon.shelf.find(name)?;
    let daemon = Arc::clone(daemon);
    Ok(Answer::messages(Box::new(move |out| {
        let mut code = first.state.code();
        while !daemon.is_stopping() {
            // Sends the head, and fails where the client is gone.
            out.flush()?;
            let now = daemon.shelf.find(&first.id.to_string()).ok();
            code = now.as_ref().map_or(code, |record| record.state.code());
            let is_over = match (&now, condition.as_str()) {
                (None, _) => true,
                (Some(_), "removed") => false,
                (Some(record), "next-exit") => record.exits > first.exits,
                (Some(record), _) => !record.state.is_running(),
            };
            if is_over {
                return out.write_all(&json::encode(&Ended { error: None, status_code: code })?);
            }
            sleep(PULSE);
        }
        Ok(())
    })))
}

/// `GET /containers/{id}/logs`: what a test has set, as the container's standard output.
pub fn logs(daemon: &Arc<Daemon>, call: &Call, name: &str) -> Result<Answer, Refusal> {
    let (stdout, stderr) = (call.form.flag("stdout"), call.form.flag("stderr"));
    if !stdout && !stderr {
        return Err(invalid("Bad parameters: you must choose at least one stream"));
    }
    let record = daemon.shelf.find(name)?;
    events::time(call.form.get("since"))?;
    events::time(call.form.get("until"))?;
    let wanted = Wanted {
        stdout,
        tail: call.form.get("tail").parse().unwrap_or(usize::MAX),
        end: if call.form.flag("follow") { End::WhenNotRunning } else { End::Now },
    };
    let daemon = Arc::clone(daemon);
    Ok(Answer::raw(Box::new(move |out| send_logs(&daemon, &record, &wanted, out))))
}

/// What is to be sent of a container's output.
struct Wanted {
    stdout: bool,
    tail: usize,
    end: End,
}

#[derive(Clone, Copy)]
enum End {
    Now,
    WhenNotRunning,
    /// Once it has ended more often than so.
    WithExit(u32),
}

fn send_logs(daemon: &Daemon, record: &Record, wanted: &Wanted, out: &mut dyn Write) -> io::Result<()> {
    let is_terminal = *record.config.get("Tty") == true;
    let lines = record.logs.split_inclusive(|byte| *byte == b'\n').filter(|_| wanted.stdout);
    let lines: Vec<_> = lines.collect();
    for line in lines.get(lines.len().saturating_sub(wanted.tail)..).unwrap_or_default() {
        if !is_terminal {
            let length = u32::try_from(line.len()).unwrap_or(u32::MAX).to_be_bytes();
            out.write_all(&[&[1, 0, 0, 0], length.as_slice()].concat())?;
        }
        out.write_all(line)?;
    }
    let goes_on = || match (daemon.shelf.find(&record.id.to_string()), wanted.end) {
        (Err(_), _) | (_, End::Now) => false,
        (Ok(record), End::WhenNotRunning) => record.state.is_running(),
        (Ok(record), End::WithExit(before)) => record.exits <= before,
    };
    while goes_on() && !daemon.is_stopping() {
        out.flush()?;
        sleep(PULSE);
    }
    Ok(())
}

/// `POST /containers/{id}/attach`: the same as `logs`, over a connection that is given up for it.
pub fn attach(daemon: &Arc<Daemon>, call: &Call, name: &str) -> Result<Answer, Refusal> {
    let record = daemon.shelf.find(name)?;
    if record.state.is_paused() {
        let message = format!("Container {name} is paused, unpause the container before attach.");
        return Err(Error::conflict(message).into());
    }
    log(daemon, &record, "attach", &[]);
    let wanted = Wanted {
        stdout: call.form.flag("stdout") && call.form.flag("logs"),
        tail: usize::MAX,
        end: if call.form.flag("stream") { End::WithExit(record.exits) } else { End::Now },
    };
    let daemon = Arc::clone(daemon);
    Ok(Answer::hijacked(Box::new(move |out| send_logs(&daemon, &record, &wanted, out))))
}

/// `GET /containers/{id}/top`: the one process that a container would have.
pub fn top(daemon: &Daemon, name: &str) -> Result<Answer, Refusal> {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Top {
        processes: [[String; 8]; 1],
        titles: [&'static str; 8],
    }
    let record = daemon.shelf.find(name)?;
    if !record.state.is_running() {
        return Err(not_running(&record));
    }
    log(daemon, &record, "top", &[]);
    let process = ["root", "1", "0", "0", "00:00", "?", "00:00:00"].map(str::to_owned);
    let [user, id, parent, usage, start, terminal, time] = process;
    Ok(Answer::json(&Top {
        processes: [[user, id, parent, usage, start, terminal, time, record.command()]],
        titles: ["UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD"],
    }))
}

/// What a daemon says of a container that does nothing.
const IDLE: &str = r#""pids_stats":{},"blkio_stats":{"io_service_bytes_recursive":null,"io_serviced_recursive":null,"io_queue_recursive":null,"io_service_time_recursive":null,"io_wait_time_recursive":null,"io_merged_recursive":null,"io_time_recursive":null,"sectors_recursive":null},"num_procs":0,"storage_stats":{},"cpu_stats":{"cpu_usage":{"total_usage":0,"usage_in_kernelmode":0,"usage_in_usermode":0},"throttling_data":{"periods":0,"throttled_periods":0,"throttled_time":0}},"precpu_stats":{"cpu_usage":{"total_usage":0,"usage_in_kernelmode":0,"usage_in_usermode":0},"throttling_data":{"periods":0,"throttled_periods":0,"throttled_time":0}},"memory_stats":{}"#;

/// `GET /containers/{id}/stats`
pub fn stats(daemon: &Arc<Daemon>, call: &Call, name: &str) -> Result<Answer, Refusal> {
    let record = daemon.shelf.find(name)?;
    let is_stream = call.form.get("stream").is_empty() || call.form.flag("stream");
    let daemon = Arc::clone(daemon);
    Ok(Answer::messages(Box::new(move |out| {
        loop {
            write_stats(&daemon, &record, out)?;
            if !is_stream {
                return Ok(());
            }
            let mut waited = Duration::ZERO;
            while waited < SECOND {
                out.flush()?;
                let is_there = daemon.shelf.find(&record.id.to_string()).is_ok();
                if daemon.is_stopping() || !is_there {
                    return Ok(());
                }
                sleep(PULSE);
                waited += PULSE;
            }
        }
    })))
}

fn write_stats(daemon: &Daemon, record: &Record, out: &mut dyn Write) -> io::Result<()> {
    let read = match daemon.shelf.find(&record.id.to_string()) {
        Ok(record) if record.state.is_running() => daemon.now().instant,
        _ => crate::go::time::Timestamp::ZERO,
    };
    let name = serde_json::to_string(&record.name)?;
    writeln!(
        out,
        "{{\"read\":\"{}\",\"preread\":\"0001-01-01T00:00:00Z\",{IDLE},\"name\":{name},\"id\":\"{}\"}}",
        read.rfc3339_nano(0),
        record.id
    )
}

/// `GET /containers/{id}/changes`: nothing is ever written.
pub fn changes(daemon: &Daemon, name: &str) -> Result<Answer, Refusal> {
    daemon.shelf.find(name)?;
    Ok(Answer::json(&()))
}

/// `POST /containers/{id}/resize`
pub fn resize(daemon: &Daemon, call: &Call, name: &str) -> Result<Answer, Refusal> {
    for side in ["h", "w"] {
        let text = call.form.get(side);
        text.parse::<i64>()
            .map_err(|_| invalid(format!("strconv.Atoi: parsing \"{text}\": invalid syntax")))?;
    }
    let record = daemon.shelf.find(name)?;
    if !record.state.is_running() {
        return Err(not_running(&record));
    }
    let sides = [("height", call.form.get("h").to_owned()), ("width", call.form.get("w").to_owned())];
    log(daemon, &record, "resize", &sides);
    Ok(Answer::empty(200))
}
