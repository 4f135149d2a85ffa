/** What all look-ups and writes of one client share: its transport, and what it has learnt of the nodes. */
import { NetworkSize } from "./NetworkSize.ts"
import { RoundTrips } from "./RoundTrips.ts"
import { SilentNodes } from "./SilentNodes.ts"
import type { Transport } from "./Transport.ts"

export interface Shared {
  readonly transport: Transport
  readonly silent: SilentNodes
  readonly roundTrips: RoundTrips
  readonly size: NetworkSize
}

export const make = (transport: Transport): Shared => ({
  transport,
  silent: new SilentNodes(transport.now),
  roundTrips: new RoundTrips(),
  size: new NetworkSize()
})
