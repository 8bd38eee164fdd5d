import { type AddressInfo, connect, createServer, type Socket } from "node:net";

/** A way to a server that ends with a TCP reset wherever the server itself just closes. */
export interface ResetProxy extends AsyncDisposable {
  /** The server's address, by way of this proxy. */
  readonly url: string;
}

/** Starts a proxy in front of a server on loopback. */
export async function startResetProxy(target: string): Promise<ResetProxy> {
  const { hostname, port, pathname } = new URL(target);
  const sockets = new Set<Socket>();
  const proxy = createServer((client) => {
    const server = connect(Number(port), hostname);
    for (const [socket, other] of [[client, server], [server, client]] as const) {
      sockets.add(socket);
      socket.on("error", () => {});
      socket.on("data", (bytes) => other.write(bytes));
      socket.on("close", () => sockets.delete(socket));
    }
    client.on("close", () => server.destroy());
    server.on("end", () => client.resetAndDestroy());
  });
  await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}${pathname}`,
    async [Symbol.asyncDispose]() {
      const closed = new Promise((resolve) => proxy.close(resolve));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}
