/**
 * The places that one torrent or topic has for peers that dialled us, shared out as {@link IncomingPlaces} says: a few
 * addresses that hold them all give way to others. Nothing is kept for a torrent that nobody has come for.
 */
import * as Duration from "effect/Duration"
import { IncomingPlaces } from "./IncomingPlaces.ts"
import type { PeerConnection } from "./PeerConnection.ts"
import { EVICTABLE } from "./SwarmOptions.ts"

export class TorrentPlaces {
  readonly #most: number
  readonly #now: () => number
  #connections: Set<PeerConnection> | undefined
  #places: IncomingPlaces | undefined

  /** `now` in ms. */
  constructor(most: number, now: () => number) {
    this.#most = most
    this.#now = now
  }

  /** Who has a place. A copy, for connections end while they are visited. */
  get connections(): ReadonlyArray<PeerConnection> {
    return [...(this.#connections ?? [])]
  }

  /** Whether {@link enter} would take in a peer of that address. */
  mayEnter(host: string): boolean {
    return this.#places === undefined || this.#places.mayEnter(host)
  }

  /** Gives the connection a place until it ends, if need be at another's cost. Without one it is closed. */
  enter(connection: PeerConnection): void {
    this.#places ??= new IncomingPlaces({
      most: this.#most,
      evictableMs: Duration.toMillis(EVICTABLE),
      now: this.#now
    })
    this.#connections ??= new Set()
    const [connections, places] = [this.#connections, this.#places]
    const place = {
      host: connection.peer.host,
      lastActiveAt: () => connection.lastActiveAt,
      close: () => connection.close()
    }
    if (!places.enter(place)) return connection.close()
    connections.add(connection)
    connection.onClosed(() => {
      places.leave(place)
      connections.delete(connection)
    })
  }

  closeAll(): void {
    for (const connection of this.connections) connection.close()
  }
}
