using System.Buffers;
using System.Globalization;
using System.IO.Pipelines;
using System.Net;
using System.Net.Sockets;
using FastExit.Bench.Client;
using FastExit.NetworkRequester.Protocol;

namespace FastExit.Bench.Socks;

/// <summary>How the SOCKS server behaves towards applications.</summary>
internal sealed record SocksSettings
{
    public required IPEndPoint Listen { get; init; }

    /// <summary>Null: everybody on this machine may connect.</summary>
    public SocksCredentials? Credentials { get; init; }

    /// <summary>Success is reported before the service has answered: saves a round trip, turns refusals into resets.</summary>
    public bool Optimistic { get; init; }

    public int MaximumConnections { get; init; } = 512;

    public TimeSpan HandshakeTimeout { get; init; } = TimeSpan.FromSeconds(20);

    public int MessagePayloadBytes { get; init; } = 1560;
}

/// <summary>
/// SOCKS4, SOCKS4a and SOCKS5 for applications on this machine (CONNECT only); every accepted connection becomes one connection through
/// the service of <paramref name="engine"/>.
/// </summary>
internal sealed class SocksServer : IDisposable
{
    private readonly ClientEngine _engine;
    private readonly SocksSettings _settings;
    private readonly Action<string> _log;
    private readonly TcpListener _listener;
    private readonly CancellationTokenSource _stop = new();
    private int _connections;

    /// <exception cref="SocketException">The address is taken.</exception>
    public SocksServer(ClientEngine engine, SocksSettings settings, Action<string> log)
    {
        _engine = engine;
        _settings = settings;
        _log = log;
        _listener = new TcpListener(settings.Listen);
        _listener.Start(256);
        _ = Task.Run(AcceptAsync);
    }

    public IPEndPoint Address => (IPEndPoint)_listener.LocalEndpoint;

    public void Dispose()
    {
        _stop.Cancel();
        _listener.Dispose();
    }

    private async Task AcceptAsync()
    {
        while (!_stop.IsCancellationRequested)
        {
            try
            {
                Socket socket = await _listener.AcceptSocketAsync(_stop.Token).ConfigureAwait(false);
                if (Interlocked.Increment(ref _connections) > _settings.MaximumConnections)
                {
                    Interlocked.Decrement(ref _connections);
                    socket.Dispose();
                    continue;
                }

                _ = ServeAsync(socket);
            }
            catch (Exception e) when (e is OperationCanceledException or ObjectDisposedException)
            {
                return;
            }
            catch (SocketException)
            {
                // Out of descriptors, or a connection that died in the backlog: the next one may do better.
                await Task.Delay(50).ConfigureAwait(false);
            }
        }
    }

    private async Task ServeAsync(Socket socket)
    {
        byte[] early = new byte[SocksNegotiation.MaximumInputBytes];
        try
        {
            socket.NoDelay = true;
            var negotiation = new SocksNegotiation(_settings.Credentials);
            int earlyBytes = await NegotiateAsync(socket, negotiation, early).ConfigureAwait(false);
            if (earlyBytes < 0)
                return;
            ProxyConnection connection = _engine.Open(negotiation.HostPort);
            try
            {
                await RelayAsync(socket, negotiation.Version, connection, early.AsMemory(0, earlyBytes)).ConfigureAwait(false);
            }
            finally
            {
                connection.Close();
            }
        }
        catch (Exception e) when (e is SocketException or OperationCanceledException or ObjectDisposedException or IOException)
        {
            // The application went away, or the connection failed: both ends learn it by the close below.
        }
        finally
        {
            socket.Dispose();
            Interlocked.Decrement(ref _connections);
        }
    }

    /// <returns>Bytes in <paramref name="buffer"/> that came behind the request, or -1 when there is no request to serve.</returns>
    private async Task<int> NegotiateAsync(Socket socket, SocksNegotiation negotiation, byte[] buffer)
    {
        using var timeout = CancellationTokenSource.CreateLinkedTokenSource(_stop.Token);
        timeout.CancelAfter(_settings.HandshakeTimeout);
        byte[] reply = new byte[SocksReply.MaximumBytes];
        int filled = 0;
        while (true)
        {
            SocksStep step = negotiation.Advance(buffer.AsSpan(0, filled), out int consumed, reply, out int replyBytes);
            buffer.AsSpan(consumed, filled - consumed).CopyTo(buffer);
            filled -= consumed;
            if (replyBytes > 0)
                await SendAllAsync(socket, reply.AsMemory(0, replyBytes), timeout.Token).ConfigureAwait(false);
            switch (step)
            {
                case SocksStep.Request:
                    return filled;
                case SocksStep.Refuse or SocksStep.Close:
                    await DrainAsync(socket).ConfigureAwait(false);
                    return -1;
                case SocksStep.NeedMore:
                    if (filled == buffer.Length)
                        return -1;
                    int received = await socket.ReceiveAsync(buffer.AsMemory(filled), timeout.Token).ConfigureAwait(false);
                    if (received == 0)
                        return -1;
                    filled += received;
                    break;
                default:
                    break;
            }
        }
    }

    private async Task RelayAsync(Socket socket, SocksVersion version, ProxyConnection connection, ReadOnlyMemory<byte> early)
    {
        if (!_settings.Optimistic && !await ReportAsync(socket, version, connection).ConfigureAwait(false))
            return;
        if (_settings.Optimistic)
            await ReplyAsync(socket, version, SocksOutcome.Granted).ConfigureAwait(false);
        Task up = SendUpAsync(socket, connection, early);
        Task down = SendDownAsync(socket, connection);
        Task first = await Task.WhenAny(up, down).ConfigureAwait(false);
        if (first.IsFaulted)
            Reset(socket, connection);
        try
        {
            await Task.WhenAll(up, down).ConfigureAwait(false);
        }
        catch when (!first.IsFaulted)
        {
            Reset(socket, connection);
            throw;
        }
        finally
        {
            if (_settings.Optimistic && connection.Opened is { IsCompletedSuccessfully: true, Result.Connected: false })
                LogRefusal(connection.HostPort, connection.Opened.Result);
        }
    }

    // No orderly end: the application must not take what it got for the whole.
    private void Reset(Socket socket, ProxyConnection connection)
    {
        if (connection is { FailureReason: { } reason, Opened: { IsCompletedSuccessfully: true, Result.Connected: true } })
            _log($"connection lost: {reason}");
        socket.LingerState = new LingerOption(true, 0);
        socket.Dispose();
        connection.Close();
    }

    /// <summary>Waits for the service's answer and passes it on; false: refused.</summary>
    private async Task<bool> ReportAsync(Socket socket, SocksVersion version, ProxyConnection connection)
    {
        ConnectOutcome outcome = await connection.Opened.WaitAsync(_stop.Token).ConfigureAwait(false);
        await ReplyAsync(socket, version, outcome.ToSocks()).ConfigureAwait(false);
        if (outcome.Connected)
            return true;
        LogRefusal(connection.HostPort, outcome);
        await DrainAsync(socket).ConfigureAwait(false);
        return false;
    }

    // SOCKS5 has no code for an unknown name; the line tells it from an unreachable host. Other destinations are not logged.
    private void LogRefusal(string hostPort, ConnectOutcome outcome) =>
        _log(outcome.Failure == ConnectFailure.NotFound
            ? string.Create(CultureInfo.InvariantCulture, $"host unknown: {hostPort} ({outcome.Reason})")
            : $"connection refused: {outcome.Reason}");

    private async Task ReplyAsync(Socket socket, SocksVersion version, SocksOutcome outcome)
    {
        byte[] reply = new byte[SocksReply.MaximumBytes];
        int bytes = SocksReply.Write(version, outcome, reply);
        await SendAllAsync(socket, reply.AsMemory(0, bytes), _stop.Token).ConfigureAwait(false);
    }

    private async Task SendUpAsync(Socket socket, ProxyConnection connection, ReadOnlyMemory<byte> early)
    {
        if (!early.IsEmpty)
            await connection.SendAsync(early.ToArray()).ConfigureAwait(false);
        byte[] buffer = ArrayPool<byte>.Shared.Rent(_settings.MessagePayloadBytes);
        try
        {
            while (true)
            {
                Memory<byte> target = buffer.AsMemory(0, _settings.MessagePayloadBytes);
                int received = await socket.ReceiveAsync(target, _stop.Token).ConfigureAwait(false);
                if (received == 0)
                    break;

                // What is there already goes into the same packet.
                while (received < target.Length && socket.Available > 0)
                {
                    int more = await socket.ReceiveAsync(target[received..], _stop.Token).ConfigureAwait(false);
                    if (more == 0)
                        break;
                    received += more;
                }

                await connection.SendAsync(target[..received].ToArray()).ConfigureAwait(false);
            }

            connection.CompleteSending();
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private async Task SendDownAsync(Socket socket, ProxyConnection connection)
    {
        while (true)
        {
            ReadResult result = await connection.Input.ReadAsync(_stop.Token).ConfigureAwait(false);
            foreach (ReadOnlyMemory<byte> segment in result.Buffer)
                await SendAllAsync(socket, segment, _stop.Token).ConfigureAwait(false);
            connection.Consumed((int)result.Buffer.Length);
            connection.Input.AdvanceTo(result.Buffer.End);
            if (result.IsCompleted)
                break;
        }

        socket.Shutdown(SocketShutdown.Send);
    }

    private static async Task SendAllAsync(Socket socket, ReadOnlyMemory<byte> bytes, CancellationToken stop)
    {
        while (!bytes.IsEmpty)
            bytes = bytes[await socket.SendAsync(bytes, stop).ConfigureAwait(false)..];
    }

    // Closing with unread input would reset the connection and could destroy the reply on its way.
    private static async Task DrainAsync(Socket socket)
    {
        socket.Shutdown(SocketShutdown.Send);
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(2));
        byte[] sink = new byte[1024];
        for (int total = 0; total < 64 << 10;)
        {
            int received = await socket.ReceiveAsync(sink, patience.Token).ConfigureAwait(false);
            if (received == 0)
                return;
            total += received;
        }
    }
}
