/**
 * Permissions to write (BEP 5 "get_peers", BEP 44): a token is a keyed hash of the asker's address under a
 * secret that changes every five minutes, and is honoured until the secret after that is gone as well.
 * Nothing is kept of those who ask.
 */
import { createHmac, createSecretKey, type KeyObject, timingSafeEqual } from "node:crypto"

/** How often the secret changes (BEP 5). A token is honoured for at least this long, at most for twice. */
export const ROTATE_MS = 5 * 60_000

/** Whoever cannot receive at an address has to guess 64 bits. */
export const TOKEN_BYTES = 8

/** The output size of SHA-1: longer keys add nothing (RFC 2104 §3). */
const SECRET_BYTES = 20

export interface Options {
  /** Milliseconds. */
  readonly now: () => number
  readonly randomBytes: (length: number) => Uint8Array
}

export class WriteTokens {
  readonly #options: Options
  #current: KeyObject
  #previous: KeyObject
  #since: number

  constructor(options: Options) {
    this.#options = options
    this.#current = this.#draw()
    this.#previous = this.#draw()
    this.#since = options.now()
  }

  /** A key that was made once: raw bytes would be made one for every token, which takes three times as long as the hash. */
  #draw(): KeyObject {
    return createSecretKey(this.#options.randomBytes(SECRET_BYTES))
  }

  /** For an asker at `host`, whatever the port: it may change on the way. */
  of(host: string): Uint8Array {
    this.#rotate()
    return tokenOf(host, this.#current)
  }

  /** Whether the token was made for that host under one of the last two secrets. Takes as long for any token. */
  honours(token: Uint8Array, host: string): boolean {
    this.#rotate()
    if (token.length !== TOKEN_BYTES) return false
    const isCurrent = timingSafeEqual(token, tokenOf(host, this.#current))
    const isPrevious = timingSafeEqual(token, tokenOf(host, this.#previous))
    return isCurrent || isPrevious
  }

  #rotate(): void {
    const now = this.#options.now()
    const turns = Math.floor((now - this.#since) / ROTATE_MS)
    if (turns === 0) return
    this.#previous = turns === 1 ? this.#current : this.#draw()
    this.#current = this.#draw()
    // A clock that was set back begins anew.
    this.#since = turns > 0 ? this.#since + turns * ROTATE_MS : now
  }
}

const tokenOf = (host: string, secret: KeyObject): Uint8Array =>
  createHmac("sha1", secret).update(host).digest().subarray(0, TOKEN_BYTES)
