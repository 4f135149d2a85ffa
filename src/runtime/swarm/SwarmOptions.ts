/** What a node of the swarm can be told, and the limits that it keeps to. */
import * as Duration from "effect/Duration"

/** TCP connections of one node that others opened, whatever they ask for. 10,000 seeds share them. */
export const INCOMING_MAX = 1000
/** Of those, connections of one torrent from one address: what is behind a NAT shares one. */
export const INCOMING_PER_HOST_AND_TORRENT_MAX = 32
/** Peers of one torrent that dialled us. */
export const INCOMING_PER_TORRENT_MAX = 64
/** Peers that one download dials at a time. */
export const DIALLED_MAX = 32
/** With so many peers that give blocks a download looks for no more. */
export const ENOUGH_PEERS = 8
/** BEP 3: keep-alives come every two minutes, so silence for longer means that the peer is gone. */
export const IDLE_MAX = Duration.seconds(150)
/** Encrypted handshakes that one address may begin at once, and a second in the long run: each costs 1 ms. */
export const KEY_EXCHANGES_BURST = 256
export const KEY_EXCHANGES_PER_SECOND = 32
/** A connection silent for so long may be closed to let another peer in. */
export const EVICTABLE = Duration.seconds(10)

/**
 * How connections begin. Every policy but `required` takes both from peers that dial. `plain-first` dials without
 * encryption and, where a peer hangs up, at once with it; `encrypted-first` the other way around, and prefers RC4 where
 * a peer leaves the choice. `required` neither sends nor takes anything that is not encrypted.
 */
export type EncryptionPolicy = "plain-first" | "encrypted-first" | "required"

export interface Options {
  /** IPv4 address to listen on, and to dial from. `0.0.0.0` is every address. */
  readonly host: string
  /** TCP port for all torrents; 0 picks a free one. */
  readonly port: number
  /** Also dial loopback, link-local and private addresses. Default: only those like our own. */
  readonly allowPrivatePeers?: boolean | undefined
  /** Message Stream Encryption. Default "plain-first": what a swarm hides has no use here, and RC4 costs more than TCP. */
  readonly encryption?: EncryptionPolicy | undefined
  /** For a TCP connection and both handshakes. Default 5 s. */
  readonly handshakeTimeout?: Duration.Input | undefined
  /** For how long a peer may owe blocks without sending one. Default 8 s (torrent-stream: 30 s). */
  readonly requestTimeout?: Duration.Input | undefined
  /** Between look-ups of peers, while a download has too few. Default 5 s. */
  readonly lookupInterval?: Duration.Input | undefined
}

export interface Settings {
  readonly host: string
  readonly port: number
  readonly allowPrivatePeers: boolean
  readonly encryption: EncryptionPolicy
  readonly handshakeTimeout: Duration.Duration
  readonly requestTimeoutMs: number
  readonly lookupInterval: Duration.Duration
}

export const resolve = (options: Options): Settings => ({
  host: options.host,
  port: options.port,
  allowPrivatePeers: options.allowPrivatePeers ?? false,
  encryption: options.encryption ?? "plain-first",
  handshakeTimeout: Duration.fromInputUnsafe(options.handshakeTimeout ?? "5 seconds"),
  requestTimeoutMs: Duration.toMillis(options.requestTimeout ?? "8 seconds"),
  lookupInterval: Duration.fromInputUnsafe(options.lookupInterval ?? "5 seconds")
})
