//! How the messages for one peer become bytes.

use std::{
    any::TypeId,
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
};

use bytes::BytesMut;

use crate::{ConnectionWriter, DisconnectReason, EncodingClass, capture::Tap};

/// The writer of one connection, of any type, and what it has in common with others.
pub(crate) struct Encoding<M> {
    class: Option<EncodingClass>,
    stage: Stage<M>,
    /// Takes the messages and their bytes, if somebody may want to see them.
    tap: Option<Tap<M>>,
}

/// A peer exists, and may be sent to, shortly before its writer does.
enum Stage<M> {
    Created(Vec<M>),
    Open(Box<dyn Encode<M>>),
}

impl<M: Send + 'static> Encoding<M> {
    pub(crate) fn new() -> Self {
        Self { class: None, stage: Stage::Created(Vec::new()), tap: None }
    }

    /// From now on messages become bytes. Returns those that were sent before.
    pub(crate) fn open(
        &mut self,
        encoder: impl ConnectionWriter<M>,
        tap: Option<Tap<M>>,
    ) -> Vec<M> {
        self.tap = tap;
        let created = mem::replace(&mut self.stage, Stage::Open(Box::new(encoder)));
        match created {
            Stage::Created(messages) => messages,
            Stage::Open(_) => Vec::new(),
        }
    }

    pub(crate) fn is_open(&self) -> bool {
        matches!(self.stage, Stage::Open(_))
    }

    pub(crate) fn set_class(&mut self, class: EncodingClass) {
        self.class = Some(class);
    }

    /// Whose bytes are the same, if it has said so and told the truth about its writer.
    pub(crate) fn class(&self) -> Option<EncodingClass> {
        let Stage::Open(encoder) = &self.stage else { return None };
        self.class.filter(|class| class.is_of(encoder.writer()))
    }

    /// Appends `message` to `bytes`, or nothing if that is not possible or not wanted.
    #[inline]
    pub(crate) fn encode(
        &mut self,
        message: M,
        bytes: &mut BytesMut,
    ) -> Result<(), DisconnectReason> {
        match &self.tap {
            None => self.encode_for_others(message, bytes),
            Some(_) => self.encode_for_tap(message, bytes),
        }
    }

    /// As [`encode`](Self::encode), where somebody may want to see the messages.
    #[cold]
    fn encode_for_tap(&mut self, message: M, bytes: &mut BytesMut) -> Result<(), DisconnectReason> {
        let before = bytes.len();
        let Some(exposure) = self.tap().map(|tap| tap.exposure(&message)) else {
            return self.encode_for_others(message, bytes);
        };
        let encoded = self.encode_for_others(message, bytes);
        if let Some(tap) = &self.tap
            && bytes.len() > before
        {
            tap.said(exposure, &bytes[before..]);
        }
        encoded
    }

    /// `wire` is what the like of this encoding has made of `message`.
    pub(crate) fn shares(&self, message: &M, wire: &[u8]) {
        if let Some(tap) = self.tap()
            && !wire.is_empty()
        {
            tap.said(tap.exposure(message), wire);
        }
    }

    /// If somebody wants to see the messages now. Not those that wait for the encoder.
    fn tap(&self) -> Option<&Tap<M>> {
        self.tap.as_ref().filter(|tap| tap.is_on())
    }

    /// As [`encode`](Self::encode), for whoever [`shares`](Self::shares) it.
    #[inline]
    pub(crate) fn encode_for_others(
        &mut self,
        message: M,
        bytes: &mut BytesMut,
    ) -> Result<(), DisconnectReason> {
        match &mut self.stage {
            Stage::Created(messages) => {
                messages.push(message);
                Ok(())
            }
            Stage::Open(encoder) => {
                let before = bytes.len();
                let encoded = encoder.encode(message, bytes);
                if encoded.is_err() {
                    bytes.truncate(before);
                }
                encoded
            }
        }
    }
}

/// An encoder of any type.
trait Encode<M>: Send {
    fn encode(&mut self, message: M, bytes: &mut BytesMut) -> Result<(), DisconnectReason>;
    fn writer(&self) -> TypeId;
}

impl<M, E: ConnectionWriter<M>> Encode<M> for E {
    fn encode(&mut self, message: M, bytes: &mut BytesMut) -> Result<(), DisconnectReason> {
        let encode = AssertUnwindSafe(|| {
            tokio_util::codec::Encoder::encode(self, message, bytes).map_err(Into::into)
        });
        // The caller is the central actor: a faulty encoder may cost a connection, not it.
        catch_unwind(encode).unwrap_or(Err(DisconnectReason::Bug))
    }

    fn writer(&self) -> TypeId {
        TypeId::of::<E>()
    }
}
