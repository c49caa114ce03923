//! Every state that a model can reach, breadth first.
//!
//! A few dozen lines instead of a crate: the general model checker for Rust, `stateright`, comes
//! with a web server, random numbers and twenty other crates, keeps 64-bit fingerprints in
//! place of states, and its properties see states only. Here a property sees the step, so
//! that what was answered need not be made a part of the state.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::hash::Hash;
use std::rc::Rc;

/// What can happen.
pub(crate) trait Model {
    /// One moment of everything that is modelled.
    type State: Eq + Hash;
    /// What leads from one state to the next.
    type Action: fmt::Display;

    /// Where it begins.
    fn initial(&self) -> Self::State;

    /// All that can happen next.
    fn steps(&self, state: &Self::State) -> Vec<(Self::Action, Self::State)>;

    /// The name of a property that this step breaks.
    fn broken(&self, before: &Self::State, action: &Self::Action, after: &Self::State) -> Option<&'static str>;

    /// What kind of step it is, if such steps are to be counted.
    fn row(action: &Self::Action) -> Option<&'static str>;

    /// When a state is, for the reader of a counterexample.
    fn time(state: &Self::State) -> String;
}

/// What an exploration found.
pub(crate) struct Exploration {
    /// How many different states were reached.
    pub(crate) states: usize,
    /// How many steps were examined.
    pub(crate) steps: usize,
    /// How many of them were of each kind that is counted.
    pub(crate) rows: BTreeMap<&'static str, usize>,
    /// A shortest way to break a property; then not all states were reached.
    pub(crate) counterexample: Option<Counterexample>,
}

/// A shortest run that breaks a property.
pub(crate) struct Counterexample {
    /// The property.
    pub(crate) property: &'static str,
    /// What happened, in order.
    pub(crate) run: Vec<String>,
}

struct Node<M: Model> {
    state: Rc<M::State>,
    /// The index of the state before, and what led here from it.
    origin: Option<(usize, M::Action)>,
}

/// Visits all states, and stops at the first step that breaks a property.
pub(crate) fn explore<M: Model>(model: &M) -> Exploration {
    let initial = Rc::new(model.initial());
    let mut seen = HashSet::from([Rc::clone(&initial)]);
    let mut nodes: Vec<Node<M>> = vec![Node { state: initial, origin: None }];
    let (mut next, mut steps, mut rows) = (0, 0, BTreeMap::new());
    while let Some(node) = nodes.get(next) {
        let before = Rc::clone(&node.state);
        for (action, after) in model.steps(&before) {
            steps += 1;
            if let Some(row) = M::row(&action) {
                *rows.entry(row).or_insert(0) += 1;
            }
            if let Some(property) = model.broken(&before, &action, &after) {
                let mut run = way_to(&nodes, next);
                run.push(line::<M>(&before, &action));
                let counterexample = Some(Counterexample { property, run });
                return Exploration { states: nodes.len(), steps, rows, counterexample };
            }
            let after = Rc::new(after);
            if seen.insert(Rc::clone(&after)) {
                nodes.push(Node { state: after, origin: Some((next, action)) });
            }
        }
        next += 1;
    }
    Exploration { states: nodes.len(), steps, rows, counterexample: None }
}

fn way_to<M: Model>(nodes: &[Node<M>], mut index: usize) -> Vec<String> {
    let mut run = Vec::new();
    while let Some((before, action)) = &nodes[index].origin {
        run.push(line::<M>(&nodes[*before].state, action));
        index = *before;
    }
    run.reverse();
    run
}

fn line<M: Model>(before: &M::State, action: &M::Action) -> String {
    format!("{}  {action}", M::time(before))
}

impl fmt::Display for Exploration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { states, steps, rows, counterexample } = self;
        match counterexample {
            None => write!(f, "all {states} states, {steps} steps, {rows:?}: every property holds"),
            Some(Counterexample { property, run }) => {
                write!(f, "after {states} states: \"{property}\" is broken by")?;
                run.iter().try_for_each(|line| write!(f, "\n    {line}"))
            }
        }
    }
}
