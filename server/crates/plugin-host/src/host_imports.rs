//! Answers what a running plugin asks of the host, and counts it.

use std::sync::Arc;

use tokio::task::JoinSet;
use tracing::Instrument as _;

use crate::bindings::cardine::plugin::{api, config, events, http, log, runtime, state, types};
use crate::call_context::CallContext;
use crate::call_state::{Breach, CallState};
use crate::cpu::Metered;
use crate::logs::LogLevel;
use crate::services::{Answer, HostServices};

const RANDOM_BYTES_MAX: u32 = 65_536;

impl types::Host for CallState {}

impl CallState {
    /// Counts one host call. Over the bound it is refused, and the plugin may cope with that; one
    /// that goes on calling is ended.
    fn count_call(&mut self) -> wasmtime::Result<Result<(), String>> {
        self.host_calls += 1;
        let allowed = self.limits.host_calls;
        if self.host_calls > allowed.saturating_mul(2) {
            return Err(Breach::HostCalls.into());
        }
        if self.host_calls > allowed {
            return Ok(Err(format!("an operation may call the host {allowed} times")));
        }
        Ok(Ok(()))
    }

    /// Asks the server. Where the call may run on a lane, the server answers in a task of its own: else others would wait for the locks
    /// and connections that a thread of low priority holds. It is ended with the call.
    async fn ask<T: Send + 'static>(
        &self,
        ask: impl for<'a> FnOnce(&'a dyn HostServices, &'a CallContext) -> Answer<'a, T> + Send + 'static,
    ) -> wasmtime::Result<T> {
        if !self.may_leave {
            return Ok(ask(&*self.services, &self.context).await);
        }
        let (services, context) = (Arc::clone(&self.services), Arc::clone(&self.context));
        let work = Metered::beside(Arc::clone(&self.cpu), async move { ask(&*services, &context).await });
        let mut task = JoinSet::new();
        task.spawn(work.in_current_span());
        Ok(task.join_next().await.expect("it was spawned")?)
    }

    async fn ask_api(
        &mut self,
        run_as: api::RunAs,
        operations: Vec<api::Operation>,
    ) -> wasmtime::Result<Result<Vec<String>, types::HostError>> {
        if let Err(message) = self.count_call()? {
            return Ok(Err(types::HostError::Limit(message)));
        }
        let turn = match &self.api_turns {
            Some(turns) => Some(Arc::clone(turns).acquire_owned().await.expect("it is never closed")),
            None => None,
        };
        // The turn goes with the work: a call that is dropped leaves it only when the server has stopped working for it.
        let answer = self.ask(move |services, call| {
            Box::pin(async move {
                let answers = services.execute(call, run_as, operations).await;
                drop(turn);
                answers
            })
        });
        answer.await
    }
}

impl log::Host for CallState {
    fn write(&mut self, level: log::Level, message: String, fields: String) -> wasmtime::Result<()> {
        let level = match level {
            log::Level::Trace => LogLevel::Trace,
            log::Level::Debug => LogLevel::Debug,
            log::Level::Info => LogLevel::Info,
            log::Level::Warn => LogLevel::Warn,
            log::Level::Error => LogLevel::Error,
        };
        self.log.write(level, message, fields, &self.limits);
        Ok(())
    }
}

impl runtime::Host for CallState {
    fn now_ms(&mut self) -> wasmtime::Result<f64> {
        Ok(self.services.now_ms())
    }

    fn monotonic_ms(&mut self) -> wasmtime::Result<f64> {
        Ok(self.began.elapsed().as_secs_f64() * 1e3)
    }

    fn random(&mut self, len: u32) -> wasmtime::Result<Vec<u8>> {
        if len > RANDOM_BYTES_MAX {
            return Err(Breach::RandomBytes.into());
        }
        let mut bytes = vec![0; len as usize];
        rand::fill(&mut bytes[..]);
        Ok(bytes)
    }

    fn uuid_v7(&mut self) -> wasmtime::Result<String> {
        Ok(uuid::Uuid::now_v7().to_string())
    }

    fn remaining_ms(&mut self) -> wasmtime::Result<u32> {
        let left = self.wall_budget.saturating_sub(self.began.elapsed());
        Ok(u32::try_from(left.as_millis()).unwrap_or(u32::MAX))
    }
}

impl config::Host for CallState {
    fn settings(&mut self) -> wasmtime::Result<String> {
        Ok(self.services.settings().to_string())
    }

    async fn secret_handle(&mut self, name: String) -> wasmtime::Result<Result<String, types::HostError>> {
        if let Err(message) = self.count_call()? {
            return Ok(Err(types::HostError::Limit(message)));
        }
        self.ask(move |services, call| services.secret_handle(call, name)).await
    }

    async fn reveal_secret(&mut self, name: String) -> wasmtime::Result<Result<String, types::HostError>> {
        if let Err(message) = self.count_call()? {
            return Ok(Err(types::HostError::Limit(message)));
        }
        self.ask(move |services, call| services.reveal_secret(call, name)).await
    }
}

impl api::Host for CallState {
    async fn execute(
        &mut self,
        run_as: api::RunAs,
        operation: api::Operation,
    ) -> wasmtime::Result<Result<String, types::HostError>> {
        let answers = self.ask_api(run_as, vec![operation]).await?;
        let missing = || types::HostError::Unavailable("the API gave no answer".to_owned());
        Ok(answers.and_then(|answers| answers.into_iter().next().ok_or_else(missing)))
    }

    async fn execute_batch(
        &mut self,
        run_as: api::RunAs,
        operations: Vec<api::Operation>,
    ) -> wasmtime::Result<Result<Vec<String>, types::HostError>> {
        self.ask_api(run_as, operations).await
    }
}

impl state::Host for CallState {
    async fn get_many(
        &mut self,
        keys: Vec<String>,
    ) -> wasmtime::Result<Result<Vec<Option<state::Entry>>, state::StateError>> {
        if let Err(message) = self.count_call()? {
            return Ok(Err(state::StateError::Limit(message)));
        }
        self.ask(move |services, call| services.fetch_state(call, keys)).await
    }

    async fn put_many(
        &mut self,
        changes: Vec<state::Change>,
    ) -> wasmtime::Result<Result<Vec<String>, state::StateError>> {
        if let Err(message) = self.count_call()? {
            return Ok(Err(state::StateError::Limit(message)));
        }
        self.ask(move |services, call| services.store_state(call, changes)).await
    }

    async fn list_keys(
        &mut self,
        prefix: String,
        after: Option<String>,
        limit: u32,
    ) -> wasmtime::Result<Result<Vec<String>, state::StateError>> {
        if let Err(message) = self.count_call()? {
            return Ok(Err(state::StateError::Limit(message)));
        }
        self.ask(move |services, call| services.fetch_state_keys(call, prefix, after, limit)).await
    }
}

impl http::Host for CallState {
    async fn send_many(
        &mut self,
        requests: Vec<http::Request>,
    ) -> wasmtime::Result<Vec<Result<http::Response, http::HttpError>>> {
        if let Err(message) = self.count_call()? {
            let refuse = |_| Err(http::HttpError::Limit(message.clone()));
            return Ok(requests.into_iter().map(refuse).collect());
        }
        self.ask(move |services, call| services.send_http(call, requests)).await
    }
}

impl events::Host for CallState {
    async fn emit(&mut self, name: String, payload: String) -> wasmtime::Result<Result<(), types::HostError>> {
        if let Err(message) = self.count_call()? {
            return Ok(Err(types::HostError::Limit(message)));
        }
        self.ask(move |services, call| services.emit_event(call, name, payload)).await
    }

    async fn enqueue(
        &mut self,
        function: String,
        input: String,
        delay_ms: f64,
        key: Option<String>,
    ) -> wasmtime::Result<Result<String, types::HostError>> {
        if let Err(message) = self.count_call()? {
            return Ok(Err(types::HostError::Limit(message)));
        }
        self.ask(move |services, call| services.enqueue(call, function, input, delay_ms, key)).await
    }
}
