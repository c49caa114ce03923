//! Why a template cannot be used.

/// Why a template cannot be used: one line that names the place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// Not YAML; with line and column.
    #[error("not valid YAML: {0}")]
    Yaml(String),
    /// An intrinsic function that only CloudFormation can evaluate.
    #[error("{path} uses {name}; here only Ref, Sub, Join and a plain If can be evaluated")]
    Intrinsic {
        /// The function's name.
        name: String,
        /// Where it is.
        path: String,
    },
    /// A reference to something that is not in the template or has no value here.
    #[error("{path} refers to {name}, which has no value here")]
    Reference {
        /// What is referred to.
        name: String,
        /// Where it is.
        path: String,
    },
    /// A property that is missing or of the wrong type.
    #[error("{path} is missing or has the wrong form")]
    Property {
        /// Where it is.
        path: String,
    },
}
