using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;

namespace FastExit.Bench.Lab;

/// <summary>
/// A raw TCP destination: sends back what it receives; when the other side has finished sending (half close) it adds one line
/// <c>end BYTES SHA256</c> and closes. The line only arrives when a half close keeps the other direction open.
/// </summary>
internal sealed class EchoServer : IDisposable
{
    public const int DefaultPort = 50007;

    /// <summary>The bundled policy allows this port and all above it.</summary>
    private const int FirstAllowedPort = 50000;
    private const int Attempts = 100;
    private const int MaximumConnections = 256;
    private readonly TcpListener _listener;
    private readonly CancellationTokenSource _stop = new();
    private int _connections;

    public EchoServer(IPEndPoint address)
    {
        _listener = new TcpListener(address);
        try
        {
            _listener.Start();
        }
        catch (SocketException e)
        {
            throw new LabException($"the echo server cannot listen on {address}: {e.Message}; choose another port with --echo, 0 for any that is free");
        }

        _ = Task.Run(AcceptAsync);
    }

    public IPEndPoint Address => (IPEndPoint)_listener.LocalEndpoint;

    /// <summary>On loopback; port 0 takes any free one that the bundled policy allows.</summary>
    /// <exception cref="LabException">The port is in use.</exception>
    public static EchoServer Open(int port)
    {
        for (int attempt = 1; ; attempt++)
        {
            int chosen = port == 0 ? Random.Shared.Next(FirstAllowedPort, IPEndPoint.MaxPort + 1) : port;
            try
            {
                return new EchoServer(new IPEndPoint(IPAddress.Loopback, chosen));
            }
            catch (LabException) when (port == 0 && attempt < Attempts)
            {
                // Somebody has that one.
            }
        }
    }

    public void Dispose()
    {
        _stop.Cancel();
        _listener.Dispose();
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
            {
                Socket socket = await _listener.AcceptSocketAsync(_stop.Token).ConfigureAwait(false);
                if (Interlocked.Increment(ref _connections) > MaximumConnections)
                {
                    Interlocked.Decrement(ref _connections);
                    socket.Dispose();
                    continue;
                }

                _ = EchoAsync(socket);
            }
        }
        catch (Exception e) when (e is OperationCanceledException or SocketException or ObjectDisposedException)
        {
            // Stopped.
        }
    }

    private async Task EchoAsync(Socket socket)
    {
        using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        byte[] buffer = new byte[32 << 10];
        long total = 0;
        try
        {
            int received;
            while ((received = await socket.ReceiveAsync(buffer, _stop.Token).ConfigureAwait(false)) > 0)
            {
                hash.AppendData(buffer, 0, received);
                total += received;
                await SendAllAsync(socket, buffer.AsMemory(0, received)).ConfigureAwait(false);
            }

            string end = $"end {total} {Convert.ToHexStringLower(hash.GetHashAndReset())}\n";
            await SendAllAsync(socket, Encoding.ASCII.GetBytes(end)).ConfigureAwait(false);
            socket.Shutdown(SocketShutdown.Send);
        }
        catch (Exception e) when (e is OperationCanceledException or SocketException)
        {
            // The other side is gone.
        }
        finally
        {
            socket.Dispose();
            Interlocked.Decrement(ref _connections);
        }
    }

    private async Task SendAllAsync(Socket socket, ReadOnlyMemory<byte> bytes)
    {
        while (!bytes.IsEmpty)
            bytes = bytes[await socket.SendAsync(bytes, _stop.Token).ConfigureAwait(false)..];
    }
}
