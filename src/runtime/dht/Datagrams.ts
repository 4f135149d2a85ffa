/**
 * What stands under a guarded socket: the part of `dgram.Socket` that it uses. A simulated machine has
 * one of its own.
 */
import type { RemoteInfo } from "node:dgram"
import type { AddressInfo } from "node:net"

export type SendCallback = (error: Error | null, bytes: number) => void

export interface Datagrams {
  on(event: "message", listener: (datagram: Buffer, from: RemoteInfo) => void): unknown
  on(event: "listening" | "close", listener: () => void): unknown
  on(event: "error", listener: (error: Error) => void): unknown
  bind(options: { readonly port: number; readonly address: string }): unknown
  address(): AddressInfo
  send(
    datagram: Uint8Array,
    offset: number,
    length: number,
    port: number,
    address: string,
    callback: SendCallback
  ): void
  close(): unknown
}
