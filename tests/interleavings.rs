//! Random lives of a session, through the real functions on the real engine: what each
//! request is answered follows from the rules of docs/sessions.md, written once more here,
//! by themselves, as whoever reads that page would apply them.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use relatch::Email;
use relatch::user::UserStatus;
use relatch_tests::{Client, TestStack, generation};

/// The retry window.
const W: Duration = Duration::from_mins(1);
const MILLISECOND: Duration = Duration::from_millis(1);

/// One step of a life.
#[derive(Clone, Debug)]
enum Step {
    /// Time passes.
    Wait(Duration),
    /// A token is presented, so many generations before the newest that was ever seen, with
    /// its own key or without any.
    Refresh { back: usize, with_key: bool },
    /// The session is ended by a token, here or everywhere.
    SignOut { back: usize, is_everywhere: bool },
    /// The user is disabled, or enabled.
    Enable(bool),
}

fn step() -> impl Strategy<Value = Step> {
    let any_wait = (0..180_000_u64).prop_map(Duration::from_millis);
    let wait = prop_oneof![
        Just(MILLISECOND),
        Just(W / 2),
        Just(W - MILLISECOND),
        Just(W),
        Just(W + MILLISECOND),
        any_wait,
    ];
    prop_oneof![
        4 => wait.prop_map(Step::Wait),
        8 => (0..4_usize, any::<bool>()).prop_map(|(back, with_key)| Step::Refresh { back, with_key }),
        1 => (0..4_usize, any::<bool>()).prop_map(|(back, is_everywhere)| Step::SignOut { back, is_everywhere }),
        1 => any::<bool>().prop_map(Step::Enable),
    ]
}

/// What the rules say of the session.
#[derive(Debug, Default)]
struct Rules {
    generation: usize,
    /// The time of the last rotation, since the start.
    rotated_at: Option<Duration>,
    /// The generation whose key made the last rotation.
    key_generation: Option<usize>,
    is_over: bool,
    is_disabled: bool,
}

impl Rules {
    /// The generation that a refresh is answered with, or none.
    fn successor(&self, presented: usize, with_key: bool, now: Duration) -> Option<usize> {
        let is_within = self.rotated_at.is_some_and(|at| now - at < W);
        if self.is_over || self.is_disabled || presented > self.generation {
            None
        } else if presented == self.generation {
            Some(if is_within { presented } else { presented + 1 })
        } else {
            let is_retry = is_within || (with_key && self.key_generation == Some(presented));
            (presented + 1 == self.generation && is_retry).then_some(self.generation)
        }
    }

    fn refresh(&mut self, presented: usize, with_key: bool, now: Duration) -> Option<usize> {
        let successor = self.successor(presented, with_key, now);
        match successor {
            Some(generation) if generation > self.generation => {
                self.generation = generation;
                self.rotated_at = Some(now);
                self.key_generation = with_key.then_some(presented);
            }
            Some(_) => {}
            // Reuse ends the session; a user who may not refresh has nothing to end.
            None => self.is_over |= !self.is_disabled,
        }
        successor
    }

    fn sign_out(&mut self) {
        self.is_over = true;
    }
}

/// A key that belongs to a generation's token.
fn key(generation: usize) -> String {
    format!("the-key-of-generation-{generation:03}")
}

async fn run_steps(steps: Vec<Step>) -> Result<(), TestCaseError> {
    let stack = TestStack::start(&[]).await;
    let client: Client = stack.client();
    let email = Email::parse(&client.email).unwrap();
    let start = stack.clock.now();
    let mut tokens = vec![client.sign_in().await.refresh_token()];
    let mut rules = Rules::default();
    for step in &steps {
        let now = stack.clock.now().duration_since(start);
        match step {
            Step::Wait(duration) => stack.clock.advance(*duration),
            Step::Refresh { back, with_key } => {
                let presented = (tokens.len() - 1).saturating_sub(*back);
                let expected = rules.refresh(presented, *with_key, now);
                let token = &tokens[presented];
                let response = match with_key {
                    true => client.refresh_with_key(token, &key(presented)).await,
                    false => client.refresh(token).await,
                };
                let found = (response.status == 200).then(|| response.refresh_token());
                let generation = found.as_ref().map(|token| generation(token));
                prop_assert_eq!(
                    generation,
                    expected.map(|it| u64::try_from(it).unwrap()),
                    "{:?} {:?}",
                    step,
                    response
                );
                match found {
                    None => prop_assert!(response.text.contains("\"invalid_grant\""), "{response:?}"),
                    Some(found) if expected == Some(tokens.len()) => tokens.push(found),
                    Some(found) => prop_assert_eq!(&found, &tokens[expected.unwrap()], "one token a generation"),
                }
            }
            Step::SignOut { back, is_everywhere } => {
                let presented = (tokens.len() - 1).saturating_sub(*back);
                prop_assert_eq!(client.sign_out(&tokens[presented], *is_everywhere).await.status, 204);
                rules.sign_out();
            }
            Step::Enable(is_enabled) => {
                let status = if *is_enabled { UserStatus::Active } else { UserStatus::Disabled };
                prop_assert!(stack.tables().users.set_status(&email, status).await.unwrap());
                // Disabling ends all sessions for good.
                rules.is_over |= !is_enabled;
                rules.is_disabled = !is_enabled;
            }
        }
    }
    Ok(())
}

#[test]
fn every_life_of_a_session_follows_the_rules() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let config = Config { cases: 100, max_shrink_iters: 200, failure_persistence: None, ..Config::default() };
    let lives = proptest::collection::vec(step(), 1..30);
    TestRunner::new(config).run(&lives, |steps| runtime.block_on(run_steps(steps))).unwrap();
}
