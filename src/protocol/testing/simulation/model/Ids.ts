/** Ids of simulated nodes (`NodeId`), drawn from chance or set beside a target. */
import { NodeId } from "../../../dht/client/NodeId.ts"
import type { Chance } from "../Chance.ts"

/** Any id. */
export const random = (chance: Chance): NodeId =>
  new NodeId(chance.word(), chance.word(), chance.word(), chance.word(), chance.word())

/** An id that only a hash broken on purpose would bring as close: it differs from the target in the last word at most. */
export const beside = (target: NodeId, distance: number): NodeId =>
  new NodeId(target.a, target.b, target.c, target.d, (target.e ^ distance) >>> 0)
