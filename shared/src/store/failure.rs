//! What a failed call to DynamoDB means for the request.

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};

use crate::aws::failure_code;
use crate::error::Error;

/// Throttling and conflicts: the same call may succeed a moment later.
const PASSING: [&str; 7] = [
    "ProvisionedThroughputExceededException",
    "ThrottlingException",
    "Throttling",
    "RequestLimitExceeded",
    "LimitExceededException",
    "TransactionConflictException",
    "TransactionInProgressException",
];

/// Whether a write was refused by its own condition.
pub(super) fn is_refused_by_condition<E: ProvideErrorMetadata>(
    failure: &SdkError<E, aws_sdk_dynamodb::config::http::HttpResponse>,
) -> bool {
    failure_code(failure) == "ConditionalCheckFailedException"
}

/// Passing trouble is [`Error::Unavailable`]; what no retry mends (a missing table, a
/// refused permission, an invalid request) is [`Error::Internal`].
pub(super) fn classify<E: ProvideErrorMetadata>(
    what: &'static str,
    failure: &SdkError<E, aws_sdk_dynamodb::config::http::HttpResponse>,
) -> Error {
    let code = failure_code(failure);
    match failure {
        SdkError::ServiceError(service) => {
            let is_passing = PASSING.contains(&code) || service.raw().status().is_server_error();
            if is_passing { Error::unavailable(what, code) } else { Error::internal(what, code) }
        }
        SdkError::ConstructionFailure(_) => Error::internal(what, code),
        _ => Error::unavailable(what, code),
    }
}
