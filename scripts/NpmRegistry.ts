/**
 * A small npm registry on loopback: packuments and tarballs of the packages that it is given, signed if
 * it has a key to sign with. For the demo, the benches and the tests; it takes no package from anybody.
 */
import * as Crypto from "node:crypto"
import * as Http from "node:http"
import type { AddressInfo } from "node:net"
import * as Zlib from "node:zlib"
import * as Effect from "effect/Effect"

/** A package: what its package.json says, and its bytes. */
export interface Offered {
  readonly packageJson: { readonly name: string; readonly version: string; readonly [field: string]: unknown }
  readonly tarball: Uint8Array
}

/** What the registry says of one version; tests may make it say anything. */
export interface VersionDocument {
  [field: string]: unknown
  dist: { tarball: string; integrity?: string; signatures?: ReadonlyArray<{ keyid: string; sig: string }> }
}

export interface Signer {
  readonly keyid: string
  readonly privateKey: Crypto.KeyObject
  readonly publicKey: Crypto.KeyObject
  /** ISO 8601, or for ever. */
  readonly expires: string | null
}

export interface Options {
  readonly signer?: Signer | undefined
  /** Answers in the registry's place where it returns true. `path` is decoded. */
  readonly intercept?: (path: string, request: Http.IncomingMessage, response: Http.ServerResponse) => boolean
  /** Changes what the registry says of a version. */
  readonly describe?: (document: VersionDocument) => VersionDocument
  /** Tags other than `latest`, by name and tag; and `latest` where it is not the version that was given last. */
  readonly tags?: { readonly [name: string]: { readonly [tag: string]: string } }
}

export interface NpmRegistry {
  /** Ends with a slash. */
  readonly url: string
  /** Decoded paths that were asked for, in their order. */
  readonly requests: Array<string>
  readonly userAgents: Set<string>
}

/** Fields of package.json that the abbreviated form has, too. */
const FIELDS = new Set([
  "name",
  "version",
  "deprecated",
  "dependencies",
  "optionalDependencies",
  "devDependencies",
  "peerDependencies",
  "peerDependenciesMeta",
  "bin",
  "engines",
  "os",
  "cpu"
])

/** A key to sign with, as npm's are. */
export const makeSigner = (expires: string | null = null): Signer => {
  const { privateKey, publicKey } = Crypto.generateKeyPairSync("ec", { namedCurve: "P-256" })
  const spki = publicKey.export({ type: "spki", format: "der" })
  const keyid = `SHA256:${Crypto.createHash("sha256").update(spki).digest("base64url")}`
  return { keyid, privateKey, publicKey, expires }
}

/** SRI of bytes. */
export const integrityOf = (bytes: Uint8Array): string =>
  `sha512-${Crypto.createHash("sha512").update(bytes).digest("base64")}`

/** What the signer says of a version. */
export const signatureOf = ({ keyid, privateKey }: Signer, id: string, integrity: string) => ({
  keyid,
  sig: Crypto.sign("sha256", Buffer.from(`${id}:${integrity}`), privateKey).toString("base64")
})

const tarballPath = ({ packageJson: { name, version } }: Offered): string =>
  `${name}/-/${name.slice(name.indexOf("/") + 1)}-${version}.tgz`

const describe = (offered: Offered, url: string, { signer }: Options): VersionDocument => {
  const { packageJson, tarball } = offered
  const integrity = integrityOf(tarball)
  const id = `${packageJson.name}@${packageJson.version}`
  const signatures = signer === undefined ? {} : { signatures: [signatureOf(signer, id, integrity)] }
  const fields = Object.entries(packageJson).filter(([field]) => FIELDS.has(field))
  const dist = { tarball: url + tarballPath(offered), integrity, unpackedSize: tarball.length * 4, ...signatures }
  return { ...Object.fromEntries(fields), dist }
}

const packumentOf = (versions: ReadonlyArray<Offered>, url: string, options: Options): unknown => {
  const { name } = versions[0]!.packageJson
  const documents = versions.map((offered) => {
    const document = describe(offered, url, options)
    return [offered.packageJson.version, options.describe?.(document) ?? document] as const
  })
  return {
    name,
    "dist-tags": { latest: versions.at(-1)!.packageJson.version, ...options.tags?.[name] },
    versions: Object.fromEntries(documents)
  }
}

/** Runs until the scope closes. */
export const make = (offered: ReadonlyArray<Offered>, options: Options = {}) => {
  const byName = Map.groupBy(offered, ({ packageJson }) => packageJson.name)
  const byPath = new Map(offered.map((each) => [tarballPath(each), each.tarball]))
  const requests: Array<string> = []
  const userAgents = new Set<string>()
  let url = ""

  const sendJson = (request: Http.IncomingMessage, response: Http.ServerResponse, json: unknown): void => {
    const isCompressed = request.headers["accept-encoding"]?.includes("gzip") === true
    const text = Buffer.from(JSON.stringify(json))
    response.setHeader("content-type", "application/json")
    if (isCompressed) response.setHeader("content-encoding", "gzip")
    response.end(isCompressed ? Zlib.gzipSync(text, { level: 1 }) : text)
  }

  const answer = (request: Http.IncomingMessage, response: Http.ServerResponse): void => {
    const path = decodeURIComponent((request.url ?? "/").slice(1))
    requests.push(path)
    userAgents.add(request.headers["user-agent"] ?? "")
    if (options.intercept?.(path, request, response) === true) return
    const tarball = byPath.get(path)
    if (tarball !== undefined) {
      response.setHeader("content-type", "application/octet-stream")
      response.setHeader("content-length", tarball.length)
      response.end(request.method === "HEAD" ? undefined : tarball)
      return
    }
    if (path === "-/npm/v1/keys" && options.signer !== undefined) {
      const { expires, keyid, publicKey } = options.signer
      const key = publicKey.export({ type: "spki", format: "der" }).toString("base64")
      return sendJson(request, response, { keys: [{ keyid, keytype: "ecdsa-sha2-nistp256", key, expires }] })
    }
    const versions = byName.get(path)
    if (versions !== undefined) return sendJson(request, response, packumentOf(versions, url, options))
    response.statusCode = 404
    response.end("{}")
  }

  return Effect.acquireRelease(
    Effect.callback<{ readonly server: Http.Server; readonly registry: NpmRegistry }>((resume) => {
      const server = Http.createServer(answer)
      server.listen(0, "127.0.0.1", () => {
        const { port } = server.address() as AddressInfo
        url = `http://127.0.0.1:${port}/`
        resume(Effect.succeed({ server, registry: { url, requests, userAgents } }))
      })
    }),
    ({ server }) =>
      Effect.callback<void>((resume) => {
        server.closeAllConnections()
        server.close(() => resume(Effect.void))
      })
  ).pipe(Effect.map(({ registry }) => registry))
}
