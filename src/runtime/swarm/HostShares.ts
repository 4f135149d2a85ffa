/**
 * How many addresses of one host are used at a time. A public host may announce any number of ports, and several users
 * may share one, so a few of each count. A host that is not public is not limited: behind one loopback or private address
 * there may be many peers.
 */
import { reachOf } from "../../protocol/core/PeerAddress.ts"

export class HostShares {
  readonly #most: number
  readonly #held = new Map<string, number>()

  /** At most `most` addresses of each public host. */
  constructor(most: number) {
    this.#most = most
  }

  /** Whether there is room for one more address of the host, which counts from now on. */
  enter(host: string): boolean {
    if (reachOf(host) !== "public") return true
    const held = this.#held.get(host) ?? 0
    if (held >= this.#most) return false
    this.#held.set(host, held + 1)
    return true
  }

  /** An address that had entered is not used any more. */
  leave(host: string): void {
    const left = (this.#held.get(host) ?? 0) - 1
    if (left > 0) this.#held.set(host, left)
    else this.#held.delete(host)
  }
}
