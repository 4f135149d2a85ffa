/** Ways in which the DHT can fail, each with what happened to which target. */
import * as Schema from "effect/Schema"
import { ExitCode } from "../core/Errors.ts"
import { InvalidRecord } from "./Record.ts"

/** No node answered: not one bootstrap node was reached. */
export class NoNodes extends Schema.TaggedError<NoNodes>()("NoNodes", { bootstrap: Schema.Array(Schema.String) }) {
  readonly exitCode = ExitCode.network
  readonly hint =
    "Check the network and the addresses given with --bootstrap (host:port,…); UDP must be able to leave this machine."
  override get message() {
    return this.bootstrap.length === 0
      ? "No DHT node is known, so the network cannot be asked"
      : `No DHT node answered; asked ${this.bootstrap.join(", ")}`
  }
}

/** Compare-and-swap failed: someone wrote in between (BEP 44 error 301). Read, merge and write again. */
export class CasConflict extends Schema.TaggedError<CasConflict>()("CasConflict", {
  target: Schema.String,
  expectedSeq: Schema.Finite
}) {
  readonly exitCode = ExitCode.network
  readonly hint = "Someone else wrote at the same moment; run the command again."
  override get message() {
    return `The record at ${this.target} changed while it was being written (expected seq ${this.expectedSeq})`
  }
}

/** A node holds a newer record, or another one with the same sequence number (BEP 44 error 302). */
export class StaleSeq extends Schema.TaggedError<StaleSeq>()("StaleSeq", {
  target: Schema.String,
  seq: Schema.Finite
}) {
  readonly exitCode = ExitCode.network
  readonly hint = "A newer record is already out; run the command again so that it is read first."
  override get message() {
    return `The network holds a newer record at ${this.target} than seq ${this.seq}`
  }
}

/** Nodes were asked and none stored the item. */
export class PutRefused extends Schema.TaggedError<PutRefused>()("PutRefused", {
  target: Schema.String,
  problem: Schema.String
}) {
  readonly exitCode = ExitCode.network
  readonly hint = "Try again in a moment; if it stays so, check that UDP can reach this machine."
  override get message() {
    return `No DHT node stored the item at ${this.target}: ${this.problem}`
  }
}

/** A look-up ended with an error of its own. */
export class InvalidReply extends Schema.TaggedError<InvalidReply>()("InvalidReply", {
  target: Schema.String,
  problem: Schema.String
}) {
  readonly exitCode = ExitCode.network
  readonly hint = "Try again in a moment."
  override get message() {
    return `The look-up of ${this.target} failed: ${this.problem}`
  }
}

/** Nothing was found while hardly anybody answered: that says nothing about what is there. */
export class TooFewAnswers extends Schema.TaggedError<TooFewAnswers>()("TooFewAnswers", {
  target: Schema.String,
  asked: Schema.Int,
  answered: Schema.Int
}) {
  readonly exitCode = ExitCode.network
  readonly hint =
    "Most of the network was not heard: check the connection and run the command again; ls-cli doctor tells more."
  override get message() {
    return `Only ${this.answered} of ${this.asked} DHT nodes answered about ${this.target}, too few to know whether it is there`
  }
}

/** The node's own socket cannot be opened or was closed. */
export class SocketFailed extends Schema.TaggedError<SocketFailed>()("SocketFailed", {
  address: Schema.String,
  problem: Schema.String
}) {
  readonly exitCode = ExitCode.network
  readonly hint = "Choose another address or port with --listen host:port (port 0 picks a free one)."
  override get message() {
    return `Cannot use ${this.address}: ${this.problem}`
  }
}

/** Fewer nodes than asked for say that they hold the item. */
export class TooFewAcks extends Schema.TaggedError<TooFewAcks>()("TooFewAcks", {
  subject: Schema.String,
  acks: Schema.Int,
  needed: Schema.Int
}) {
  readonly exitCode = ExitCode.network
  readonly hint = "Run the command again to go on where it stopped; on a small network, lower --min-acks."
  override get message() {
    return `Only ${this.acks} of at least ${this.needed} DHT nodes hold ${this.subject}`
  }
}

/** Those that hold the item are of too few networks: one owner may run them all. */
export class TooFewNetworks extends Schema.TaggedError<TooFewNetworks>()("TooFewNetworks", {
  subject: Schema.String,
  networks: Schema.Int,
  needed: Schema.Int
}) {
  readonly exitCode = ExitCode.network
  readonly hint =
    "Run the command again in a while, when other nodes are closest; where you know better, lower --min-acks to 1."
  override get message() {
    return `The nodes that hold ${this.subject} are of ${this.networks} networks, not of at least ${this.needed}: they may have one owner`
  }
}

/** Something was to be written or announced, and the network is not to be used. */
export class NetworkForbidden extends Schema.TaggedError<NetworkForbidden>()("NetworkForbidden", {
  purpose: Schema.String
}) {
  readonly exitCode = ExitCode.usage
  readonly hint = "Run the command again without --offline."
  override get message() {
    return `The network was not to be used, and it takes the network to ${this.purpose}`
  }
}

export class DhtError extends Schema.TaggedError<DhtError>()("DhtError", {
  reason: Schema.Union([
    NoNodes,
    CasConflict,
    StaleSeq,
    PutRefused,
    InvalidReply,
    SocketFailed,
    TooFewAcks,
    TooFewAnswers,
    TooFewNetworks,
    NetworkForbidden,
    InvalidRecord
  ])
}) {
  override get message() {
    return this.reason.message
  }
}
