/**
 * Permissions to write (BEP 5 "get_peers"): a token is a hash of the asker's host and a secret that
 * changes every five minutes; tokens up to ten minutes old are honoured.
 */
import type { Token } from "../../../dht/client/Krpc.ts"

/** How often the secret changes, ms (BEP 5). A token is honoured under the secret before the current one too. */
export const ROTATE_MS = 5 * 60_000

/** 32 bits: nobody in a simulation searches for a token. */
const TOKEN_BYTES = 4

const mix = (text: string, secret: number, period: number): number => {
  let h = secret
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193)
  h = Math.imul(h ^ (h >>> 15) ^ period, 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return (h ^ (h >>> 16)) >>> 0
}

/** The token that a 32-bit word makes. */
export const ofWord = (word: number): Token => Uint8Array.of(word >>> 24, word >>> 16, word >>> 8, word)

const isWord = (token: Token, word: number): boolean =>
  token.length === TOKEN_BYTES && ((token[0]! << 24) | (token[1]! << 16) | (token[2]! << 8) | token[3]!) >>> 0 === word

export class Tokens {
  readonly #secret: number
  readonly #now: () => number

  /** `now` in ms. Nodes with different secrets change them at different times. */
  constructor(secret: number, now: () => number) {
    this.#secret = secret
    this.#now = now
  }

  /** For an asker at `address` (`host:port`), of which the host counts. */
  of(address: string): Token {
    return ofWord(this.#at(address, 0))
  }

  honours(token: Token, address: string): boolean {
    return isWord(token, this.#at(address, 0)) || isWord(token, this.#at(address, 1))
  }

  #at(address: string, periodsAgo: number): number {
    const period = Math.floor((this.#now() + (this.#secret % ROTATE_MS)) / ROTATE_MS) - periodsAgo
    return mix(address.slice(0, address.indexOf(":")), this.#secret, period)
  }
}
