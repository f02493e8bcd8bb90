//! `tracing` to the host: records travel over the channel, bounded; what does not fit is counted.

use std::cell::Cell;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use bllvm_ipc::Connection;
use bllvm_ipc::log::{Level, LogRecord};
use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{EnvFilter, Registry};

/// The variable that sets what is logged, such as `debug` or `info,my_module=trace`.
pub(crate) const LEVEL_VARIABLE: &str = "BLLVM_LOG";

thread_local! {
    /// Writing a record may log something itself.
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

/// A subscriber whose records go to the host.
pub(crate) fn subscriber(connection: Connection) -> impl Subscriber + Send + Sync {
    let wanted = std::env::var(LEVEL_VARIABLE).unwrap_or_default();
    let filter = EnvFilter::builder()
        .with_default_directive(tracing::level_filters::LevelFilter::INFO.into())
        .parse_lossy(wanted);
    Registry::default().with(filter).with(HostLayer {
        connection,
        dropped: AtomicU64::new(0),
    })
}

/// Makes panics part of the log, before whatever was done about them so far.
pub(crate) fn log_panics() {
    let earlier = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let place = panic.location().map(ToString::to_string);
        tracing::error!(
            target: "panic",
            "panicked at {}: {}",
            place.as_deref().unwrap_or("an unknown place"),
            panic.payload_as_str().unwrap_or("no message")
        );
        earlier(panic);
    }));
}

struct HostLayer {
    connection: Connection,
    dropped: AtomicU64,
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for HostLayer {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if let Some(span) = context.span(id) {
            let mut fields = Fields::default();
            attributes.record(&mut fields);
            span.extensions_mut().insert(fields);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(fields) = span.extensions_mut().get_mut::<Fields>()
        {
            values.record(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        if INSIDE.replace(true) {
            return;
        }
        self.send(event, &context);
        INSIDE.set(false);
    }
}

impl HostLayer {
    fn send<S>(&self, event: &Event<'_>, context: &Context<'_, S>)
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        let mut fields = Fields::default();
        for span in context.event_scope(event).into_iter().flatten() {
            if let Some(outer) = span.extensions().get::<Fields>() {
                // The inner span's field wins.
                for (name, value) in &outer.map {
                    fields.map.entry(name).or_insert_with(|| value.clone());
                }
            }
        }
        event.record(&mut fields);
        let missed = self.dropped.swap(0, Ordering::Relaxed);
        if missed > 0 {
            fields.map.insert("log.dropped".to_owned(), missed.into());
        }
        let record = LogRecord {
            level: level(*event.metadata().level()),
            target: event.metadata().target().to_owned(),
            message: fields.message,
            fields: fields.map,
        };
        if !self.connection.log(&record) {
            self.dropped.fetch_add(missed + 1, Ordering::Relaxed);
        }
    }
}

fn level(level: tracing::Level) -> Level {
    match level {
        tracing::Level::TRACE => Level::Trace,
        tracing::Level::DEBUG => Level::Debug,
        tracing::Level::INFO => Level::Info,
        tracing::Level::WARN => Level::Warn,
        tracing::Level::ERROR => Level::Error,
    }
}

#[derive(Debug, Default)]
struct Fields {
    message: String,
    map: Map<String, Value>,
}

impl Fields {
    fn set(&mut self, field: &Field, value: impl Into<Value>) {
        self.map.insert(field.name().to_owned(), value.into());
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.message = format!("{value:?}");
        } else {
            self.set(field, format!("{value:?}"));
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            value.clone_into(&mut self.message);
        } else {
            self.set(field, value);
        }
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.set(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.set(field, value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.set(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.set(field, value);
    }
}
