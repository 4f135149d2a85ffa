/** Ways in which moving a torrent's bytes can fail. */
import * as Schema from "effect/Schema"
import { ExitCode } from "../core/Errors.ts"
import { DhtError } from "../dht/DhtError.ts"
import { StorageFailed } from "./Content.ts"
import { InvalidTorrent } from "./Torrent.ts"

/** Nobody who serves the torrent was reached. */
export class NoPeers extends Schema.TaggedError<NoPeers>()("NoPeers", {
  infohash: Schema.String,
  waitedMs: Schema.Finite,
  /** `name@version`, where it is known what the torrent is. */
  package: Schema.optionalKey(Schema.String)
}) {
  readonly exitCode = ExitCode.network
  readonly hint = "Nobody seeds it at the moment. Try again later, or ask the publisher to run: ls-cli seed"
  override get message() {
    const what = this.package === undefined ? `the torrent ${this.infohash}` : this.package
    return `No peer serves ${what} (waited ${Math.round(this.waitedMs / 1000)} s)`
  }
}

/** Peers were there, but the download did not finish in time. What arrived is kept for the next try. */
export class DownloadStalled extends Schema.TaggedError<DownloadStalled>()("DownloadStalled", {
  infohash: Schema.String,
  receivedBytes: Schema.Finite,
  totalBytes: Schema.Finite,
  waitedMs: Schema.Finite
}) {
  readonly exitCode = ExitCode.network
  readonly hint = "Run the command again to go on from there, or give it longer with --timeout."
  override get message() {
    return `The download of ${this.infohash} stopped at ${this.receivedBytes} of ${this.totalBytes} bytes after ${Math.round(this.waitedMs / 1000)} s`
  }
}

/** Every peer that answered sent bytes that are not those of the torrent. */
export class CorruptPeers extends Schema.TaggedError<CorruptPeers>()("CorruptPeers", {
  infohash: Schema.String,
  peers: Schema.Array(Schema.String)
}) {
  readonly exitCode = ExitCode.untrusted
  readonly hint = "None of it was kept. Try again later, when an honest seeder is there."
  override get message() {
    return `Every peer of ${this.infohash} sent corrupt pieces (${this.peers.join(", ")})`
  }
}

/** The own TCP port cannot be opened. */
export class ListenFailed extends Schema.TaggedError<ListenFailed>()("ListenFailed", {
  address: Schema.String,
  problem: Schema.String
}) {
  readonly exitCode = ExitCode.network
  readonly hint = "Choose another address or port with --listen host:port (port 0 picks a free one)."
  override get message() {
    return `Cannot listen for peers on ${this.address}: ${this.problem}`
  }
}

/** The content offered for seeding is not that of the torrent. */
export class ContentDamaged extends Schema.TaggedError<ContentDamaged>()("ContentDamaged", {
  infohash: Schema.String,
  piece: Schema.Int
}) {
  readonly exitCode = ExitCode.storage
  readonly hint = "The stored files were changed or damaged; install or publish the package again."
  override get message() {
    return `The stored content of ${this.infohash} does not match its torrent (piece ${this.piece})`
  }
}

/** The bytes are not in the store, and nobody may be asked for them. */
export class ContentNotHeld extends Schema.TaggedError<ContentNotHeld>()("ContentNotHeld", {
  /** `<name>-<version>` where the release record tells, else the infohash in hex. */
  torrent: Schema.String
}) {
  readonly exitCode = ExitCode.notFound
  readonly hint = "Run the command without --offline, or import a bundle that has it: ls-cli bundle import <file>"
  override get message() {
    return `The content of ${this.torrent} is not in the store, and the network was not to be asked`
  }
}

export class SwarmError extends Schema.TaggedError<SwarmError>()("SwarmError", {
  reason: Schema.Union([
    NoPeers,
    DownloadStalled,
    CorruptPeers,
    ListenFailed,
    ContentDamaged,
    ContentNotHeld,
    InvalidTorrent,
    StorageFailed,
    DhtError
  ])
}) {
  override get message() {
    return this.reason.message
  }
}
