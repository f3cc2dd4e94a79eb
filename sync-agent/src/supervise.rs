//! Every task has a name; when one ends or panics, the process ends with an error and systemd starts it again.

use std::collections::HashMap;
use std::future::Future;

use tokio::task::{Id, JoinSet};

/// Named tasks of which none may end while the agent runs.
#[derive(Debug, Default)]
pub struct Tasks {
    set: JoinSet<anyhow::Result<()>>,
    names: HashMap<Id, &'static str>,
}

impl Tasks {
    /// Starts a task under a name.
    pub fn spawn(&mut self, name: &'static str, task: impl Future<Output = anyhow::Result<()>> + Send + 'static) {
        let id = self.set.spawn(task).id();
        self.names.insert(id, name);
    }

    /// Waits for the first task that ends, which is always an error; for ever if there is none.
    pub async fn first_end(&mut self) -> anyhow::Error {
        let Some(ended) = self.set.join_next_with_id().await else { return std::future::pending().await };
        let name = |id: &Id| self.names.get(id).copied().unwrap_or("unnamed");
        match ended {
            Ok((id, Ok(()))) => anyhow::anyhow!("task `{}` ended", name(&id)),
            Ok((id, Err(error))) => error.context(format!("task `{}` failed", name(&id))),
            Err(error) => anyhow::anyhow!("task `{}` panicked", name(&error.id())),
        }
    }

    /// Stops all tasks and waits until they are gone.
    pub async fn stop(&mut self) {
        self.set.shutdown().await;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test]
    async fn a_task_that_ends_fails_or_panics_is_named() {
        let mut tasks = Tasks::default();
        tasks.spawn("steady", std::future::pending());
        tasks.spawn("status", async { Ok(()) });
        assert_eq!(tasks.first_end().await.to_string(), "task `status` ended");
        tasks.spawn("visitors", async { anyhow::bail!("no disk") });
        assert_eq!(format!("{:#}", tasks.first_end().await), "task `visitors` failed: no disk");
        tasks.spawn("upload", async { panic!("bug") });
        assert_eq!(tasks.first_end().await.to_string(), "task `upload` panicked");
        tasks.stop().await;
    }
}
