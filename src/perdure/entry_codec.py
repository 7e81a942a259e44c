"""Codecs of journal values, under the official SDK's path."""

from perdure.sdk.journal_codec import JournalValueCodec, JournalValueCodecProvider

__all__ = ["JournalValueCodec", "JournalValueCodecProvider"]
