/**
 * The nodes that somebody starts from, in either network. Such a list is made once, comes with the program,
 * and goes out of date: who is on it stays on it, whatever becomes of the node.
 */
import type { Chance } from "../Chance.ts"
import type { EntranceMix } from "../Nodes.ts"

/** Nodes on a list: a lost packet or two must not cut anybody off. */
export const ENTRANCES = 3

export interface Candidate {
  /** `host:port`. */
  readonly address: string
  readonly isHonest: boolean
}

/** Addresses at which nobody lives, port 6881. */
const nowhere = (number: number): string => `10.78.0.${number + 1}:6881`

/**
 * A list of {@link ENTRANCES} of the candidates. Hostile ones are on it only as `mix` says, for people choose
 * with care; or where nobody else is there.
 */
export const choose = (
  chance: Chance,
  candidates: ReadonlyArray<Candidate>,
  { dead = 0, hostile = 0 }: Partial<EntranceMix>
): ReadonlyArray<string> => {
  const ofKind = (isHonest: boolean) =>
    chance.shuffled(candidates.filter((candidate) => candidate.isHonest === isHonest)).map(({ address }) => address)
  const [honestOnes, hostileOnes] = [ofKind(true), ofKind(false)]
  const gone = Array.from({ length: Math.min(dead, ENTRANCES) }, (_, number) => nowhere(number))
  const wanted = hostileOnes.splice(0, Math.max(0, Math.min(hostile, ENTRANCES - gone.length)))
  return [...gone, ...wanted, ...honestOnes, ...(honestOnes.length > 0 ? [] : hostileOnes)].slice(0, ENTRANCES)
}
