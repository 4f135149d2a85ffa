/**
 * Peers of one download that were proven to lie. A peer that we dialled is known by host and port,
 * so that its honest neighbour behind the same router is spared; one that dialled us is known by
 * its host alone, for its port is a new one each time.
 */

/** From so many liars on, a host is refused as a whole: ports cost nothing. */
export const LIARS_PER_HOST_MAX = 8

export interface Address {
  readonly host: string
  readonly port: number
}

export class Bans {
  readonly #names = new Set<string>()
  readonly #hosts = new Map<string, number>()

  ban(peer: Address): void {
    const name = `${peer.host}:${peer.port}`
    if (this.#names.has(name)) return
    this.#names.add(name)
    this.#hosts.set(peer.host, (this.#hosts.get(peer.host) ?? 0) + 1)
  }

  /** `host:port` of each, as seen from here. */
  get names(): ReadonlyArray<string> {
    return [...this.#names]
  }

  mayDial(address: Address): boolean {
    return (
      !this.#names.has(`${address.host}:${address.port}`) && (this.#hosts.get(address.host) ?? 0) < LIARS_PER_HOST_MAX
    )
  }

  mayAccept(host: string): boolean {
    return !this.#hosts.has(host)
  }
}
