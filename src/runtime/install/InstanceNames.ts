/**
 * The directories of instances in `node_modules/.libreseed`. A directory is named by what is in it, the
 * links to its dependencies included, and by what they lead to: `<name>@<version>-<digest>`. So nothing
 * in one ever changes, an old tree and a new one lie side by side, and share what they have in common.
 *
 * Dependencies go in circles. What is in one circle (a strongly connected component, found as Tarjan
 * does) gets a digest together.
 */
import * as Crypto from "node:crypto"

export interface Node {
  /** `name@version` at its beginning. */
  readonly label: string
  /** Everything that tells its own files from others. */
  readonly content: string
  /** By name: keys of the other nodes. */
  readonly dependencies: ReadonlyMap<string, string>
}

/** Characters of the name and version; directories have to be short where paths are (Windows: 260 characters). */
const LABEL_CHARS = 80
/** Hex digits: 64 bits tell the instances of one project apart. */
const DIGEST_CHARS = 16

/** Names of directories that {@link make} gives: what else lies beside them is none of ours. */
export const PATTERN = /^[A-Za-z0-9._~+@()!'*-]{1,80}-[0-9a-f]{16}$/

const digest = (value: unknown): string => Crypto.createHash("sha256").update(JSON.stringify(value)).digest("hex")

/** Circles, each after all that its members depend on. */
const components = (nodes: ReadonlyMap<string, Node>): ReadonlyArray<ReadonlyArray<string>> => {
  const order = new Map<string, number>()
  const low = new Map<string, number>()
  const path: Array<string> = []
  const onPath = new Set<string>()
  const found: Array<ReadonlyArray<string>> = []
  for (const root of nodes.keys()) {
    if (order.has(root)) continue
    const calls: Array<{ readonly id: string; readonly targets: ReadonlyArray<string>; at: number }> = []
    const enter = (id: string) => {
      order.set(id, order.size)
      low.set(id, order.get(id)!)
      path.push(id)
      onPath.add(id)
      calls.push({ id, targets: [...nodes.get(id)!.dependencies.values()], at: 0 })
    }
    enter(root)
    while (calls.length > 0) {
      const call = calls.at(-1)!
      const target = call.targets[call.at++]
      if (target !== undefined) {
        if (!order.has(target)) enter(target)
        else if (onPath.has(target)) low.set(call.id, Math.min(low.get(call.id)!, order.get(target)!))
        continue
      }
      calls.pop()
      const caller = calls.at(-1)
      if (caller !== undefined) low.set(caller.id, Math.min(low.get(caller.id)!, low.get(call.id)!))
      if (low.get(call.id) !== order.get(call.id)) continue
      const members = path.splice(path.lastIndexOf(call.id))
      for (const member of members) onPath.delete(member)
      found.push(members)
    }
  }
  return found
}

/** Names of directories by key, and the keys in an order in which dependencies come first. */
export const make = (
  nodes: ReadonlyMap<string, Node>
): { readonly names: ReadonlyMap<string, string>; readonly order: ReadonlyArray<string> } => {
  const digests = new Map<string, string>()
  const order: Array<string> = []
  for (const members of components(nodes)) {
    const sorted = members.toSorted()
    const inside = new Set(sorted)
    const circle = digest(
      sorted.map((id) => {
        const { content, dependencies, label } = nodes.get(id)!
        const targets = [...dependencies].toSorted(([self], [that]) => (self < that ? -1 : 1))
        return [
          label,
          content,
          targets.map(([name, target]) => [name, digests.get(target) ?? `inside ${sorted.indexOf(target)}`])
        ]
      })
    )
    for (const [at, id] of sorted.entries()) digests.set(id, inside.size === 1 ? circle : digest([circle, at]))
    order.push(...members)
  }
  const names = new Map<string, string>()
  for (const [id, { label }] of nodes) {
    const readable = label.replaceAll("/", "+").slice(0, LABEL_CHARS)
    names.set(id, `${readable}-${digests.get(id)!.slice(0, DIGEST_CHARS)}`)
  }
  return { names, order }
}
