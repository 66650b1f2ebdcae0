using System.Net;
using System.Net.Sockets;

namespace FastExit.Tests.EndToEnd;

/// <summary>A destination on loopback whose behaviour is the test's; connections are closed when their function ends.</summary>
internal sealed class TcpDestination : IDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _stop = new();
    private readonly Func<Socket, CancellationToken, Task> _serve;
    private int _accepted;

    public TcpDestination(Func<Socket, CancellationToken, Task> serve)
    {
        _serve = serve;
        _listener.Start(1024);
        _ = Task.Run(AcceptAsync);
    }

    public int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

    public int Accepted => Volatile.Read(ref _accepted);

    /// <summary>Sends everything back, then closes.</summary>
    public static async Task EchoAsync(Socket socket, CancellationToken stop)
    {
        byte[] buffer = new byte[32 << 10];
        int received;
        while ((received = await socket.ReceiveAsync(buffer.AsMemory(), stop)) > 0)
            await SocksDialer.SendAllAsync(socket, buffer.AsMemory(0, received), stop);
        socket.Shutdown(SocketShutdown.Send);
    }

    /// <summary>Waits for the other side's end.</summary>
    public static async Task SilentAsync(Socket socket, CancellationToken stop) =>
        _ = await SocksDialer.ReceiveToEndAsync(socket, stop);

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
                Socket socket = await _listener.AcceptSocketAsync(_stop.Token);
                Interlocked.Increment(ref _accepted);
                _ = ServeAsync(socket);
            }
        }
        catch (Exception e) when (e is OperationCanceledException or SocketException or ObjectDisposedException)
        {
            // Stopped.
        }
    }

    private async Task ServeAsync(Socket socket)
    {
        try
        {
            await _serve(socket, _stop.Token);
        }
        catch (Exception e) when (e is OperationCanceledException or SocketException)
        {
            // The other side went away, or the test is over.
        }
        finally
        {
            socket.Dispose();
        }
    }
}
