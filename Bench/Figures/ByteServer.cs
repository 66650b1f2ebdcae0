using System.Net;
using System.Net.Sockets;

namespace FastExit.Bench.Figures;

/// <summary>
/// Destinations on loopback: one sends as many bytes as the client's eight-byte request says, one counts what it is sent and
/// acknowledges at the end with one byte, one accepts and stays silent.
/// </summary>
internal sealed class ByteServer : IDisposable
{
    private readonly CancellationTokenSource _stop = new();
    private readonly List<Socket> _listeners = [];
    private readonly List<Socket> _silent = [];

    public ByteServer()
    {
        SourceAddress = Listen(SendAsync);
        SinkAddress = Listen(ReceiveAsync);
        IdleAddress = Listen(HoldAsync);
    }

    public IPEndPoint SourceAddress { get; }

    public IPEndPoint SinkAddress { get; }

    public IPEndPoint IdleAddress { get; }

    public void Dispose()
    {
        _stop.Cancel();
        _listeners.ForEach(l => l.Dispose());
        lock (_silent)
            _silent.ForEach(s => s.Dispose());
        _stop.Dispose();
    }

    private IPEndPoint Listen(Func<Socket, Task> serve)
    {
        var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listener.Listen(1024);
        _listeners.Add(listener);
        _ = AcceptAsync(listener, serve);
        return (IPEndPoint)listener.LocalEndPoint!;
    }

    private async Task AcceptAsync(Socket listener, Func<Socket, Task> serve)
    {
        try
        {
            while (true)
            {
                Socket socket = await listener.AcceptAsync(_stop.Token).ConfigureAwait(false);
                _ = GuardAsync(socket, serve);
            }
        }
        catch (Exception e) when (e is OperationCanceledException or SocketException or ObjectDisposedException)
        {
            // Stopped.
        }
    }

    private static async Task GuardAsync(Socket socket, Func<Socket, Task> serve)
    {
        try
        {
            await serve(socket).ConfigureAwait(false);
        }
        catch (Exception e) when (e is OperationCanceledException or SocketException or ObjectDisposedException)
        {
            socket.Dispose();
        }
    }

    private async Task SendAsync(Socket socket)
    {
        byte[] buffer = new byte[64 << 10];
        int have = 0;
        while (have < sizeof(long))
        {
            int read = await socket.ReceiveAsync(buffer.AsMemory(have, sizeof(long) - have), _stop.Token).ConfigureAwait(false);
            if (read == 0)
                return;
            have += read;
        }

        long left = BitConverter.ToInt64(buffer);
        while (left > 0)
            left -= await socket.SendAsync(buffer.AsMemory(0, (int)Math.Min(left, buffer.Length)), _stop.Token).ConfigureAwait(false);
        socket.Shutdown(SocketShutdown.Send);
        await socket.ReceiveAsync(buffer, _stop.Token).ConfigureAwait(false);
        socket.Dispose();
    }

    private async Task ReceiveAsync(Socket socket)
    {
        byte[] buffer = new byte[64 << 10];
        while (await socket.ReceiveAsync(buffer, _stop.Token).ConfigureAwait(false) > 0)
        {
        }

        await socket.SendAsync(buffer.AsMemory(0, 1), _stop.Token).ConfigureAwait(false);
        socket.Dispose();
    }

    private Task HoldAsync(Socket socket)
    {
        lock (_silent)
            _silent.Add(socket);
        return Task.CompletedTask;
    }
}
