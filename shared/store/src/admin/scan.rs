//! Walking through all users, a page at a time. For commands only: no function may scan.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes};
use relatch::email::Email;
use relatch::secret::Secret;
use relatch::user::{User, UserId};

use crate::failure::Failure;
use crate::item::{Attributes, Item, text};
use crate::schema;
use crate::sdk_error::classify;
use crate::users::{UsersTable, parse_user};

/// Some of the users, and where the next ones begin.
#[derive(Clone, Debug)]
pub struct Page<T> {
    /// The users; a page may have none and still not be the last.
    pub items: Vec<T>,
    /// Where the next page begins; `None` after the last one.
    pub next: Option<PageStart>,
}

/// Where a page begins: the key of the last item before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageStart(String);

impl PageStart {
    /// Takes up a walk where it was left.
    pub fn from_text(text: String) -> Self {
        Self(text)
    }

    /// The place as text, to take the walk up again later. Holds an email or a `sub`.
    pub fn as_text(&self) -> &str {
        &self.0
    }
}

/// A credential with its hash as it is stored, good or not.
#[derive(Clone, Debug)]
pub struct StoredCredential {
    /// The email.
    pub email: Email,
    /// Whose it is.
    pub user_id: UserId,
    /// The stored hash; `None` for a user without a password.
    pub password_hash: Option<Secret>,
}

/// How many items one request may ask for by key.
const BATCH: usize = 100;

impl UsersTable {
    /// A page of all users, in no order.
    ///
    /// # Errors
    /// [`Failure::Unavailable`] or [`Failure::Internal`].
    pub async fn scan(&self, start: Option<PageStart>) -> Result<Page<User>, Failure> {
        const OPERATION: &str = "users.scan";
        let (items, next) = self.scan_prefix(OPERATION, schema::USER_PREFIX, start).await?;
        let items = items
            .into_iter()
            .map(|attributes| parse_listed_user(&Item { operation: OPERATION, attributes }))
            .collect::<Result<_, _>>()?;
        Ok(Page { items, next })
    }

    /// A page of all credentials, in no order.
    ///
    /// # Errors
    /// [`Failure::Unavailable`] or [`Failure::Internal`].
    pub async fn scan_credentials(&self, start: Option<PageStart>) -> Result<Page<StoredCredential>, Failure> {
        const OPERATION: &str = "users.scan_credentials";
        let (items, next) = self.scan_prefix(OPERATION, schema::EMAIL_PREFIX, start).await?;
        let items = items
            .into_iter()
            .map(|attributes| parse_stored_credential(&Item { operation: OPERATION, attributes }))
            .collect::<Result<_, _>>()?;
        Ok(Page { items, next })
    }

    /// The users with these ids, at most [`BATCH`]; in no order, without those who are not there.
    async fn read_batch(&self, ids: &[UserId]) -> Result<Vec<User>, Failure> {
        const OPERATION: &str = "users.read_batch";
        let failed = || Failure::internal(OPERATION, "the request could not be built");
        let key = |id: &UserId| HashMap::from([(schema::PK.to_owned(), text(schema::user_key(id)))]);
        let wanted =
            KeysAndAttributes::builder().set_keys(Some(ids.iter().map(key).collect())).consistent_read(true);
        let mut wanted = Some(HashMap::from([(self.name.clone(), wanted.build().map_err(|_| failed())?)]));
        let mut users = Vec::with_capacity(ids.len());
        while let Some(keys) = wanted.take().filter(|keys| !keys.is_empty()) {
            let batch = self.client.batch_get_item().set_request_items(Some(keys)).send().await;
            let batch = batch.map_err(|failure| classify(OPERATION, &failure))?;
            for attributes in batch.responses.into_iter().flatten().flat_map(|(_, items)| items) {
                users.push(parse_listed_user(&Item { operation: OPERATION, attributes })?);
            }
            wanted = batch.unprocessed_keys;
        }
        Ok(users)
    }

    /// The users with these ids, however many.
    ///
    /// # Errors
    /// [`Failure::Unavailable`] or [`Failure::Internal`].
    pub async fn read_all(&self, ids: &[UserId]) -> Result<HashMap<UserId, User>, Failure> {
        let mut users = HashMap::with_capacity(ids.len());
        for batch in ids.chunks(BATCH) {
            users.extend(self.read_batch(batch).await?.into_iter().map(|user| (user.id.clone(), user)));
        }
        Ok(users)
    }

    async fn scan_prefix(
        &self,
        operation: &'static str,
        prefix: &str,
        start: Option<PageStart>,
    ) -> Result<(Vec<Attributes>, Option<PageStart>), Failure> {
        let start = start.map(|PageStart(key)| HashMap::from([(schema::PK.to_owned(), text(key))]));
        let page = self
            .client
            .scan()
            .table_name(&self.name)
            .filter_expression("begins_with(#pk, :prefix)")
            .expression_attribute_names("#pk", schema::PK)
            .expression_attribute_values(":prefix", text(prefix))
            .set_exclusive_start_key(start)
            .send()
            .await
            .map_err(|failure| classify(operation, &failure))?;
        let next = page.last_evaluated_key.and_then(|mut key| match key.remove(schema::PK) {
            Some(AttributeValue::S(key)) => Some(PageStart(key)),
            _ => None,
        });
        Ok((page.items.unwrap_or_default(), next))
    }
}

/// A user whose id is only in the key.
fn parse_listed_user(item: &Item) -> Result<User, Failure> {
    let id = item.parsed(schema::PK, |key| UserId::parse(key.strip_prefix(schema::USER_PREFIX)?).ok())?;
    parse_user(&id, item)
}

fn parse_stored_credential(item: &Item) -> Result<StoredCredential, Failure> {
    Ok(StoredCredential {
        email: item.parsed(schema::PK, |key| Email::parse(key.strip_prefix(schema::EMAIL_PREFIX)?).ok())?,
        user_id: item.parsed(schema::SUB, |text| UserId::parse(text).ok())?,
        password_hash: item.optional_text(schema::PASSWORD_HASH)?.map(Secret::new),
    })
}
