using System.Net;
using System.Threading.Channels;
using FastExit.Bench.Lab;
using FastExit.Bench.Lab.Entry;
using FastExit.Crypto.EndToEnd;

namespace FastExit.Bench.Client;

/// <summary>
/// A client's gateway at the other end of a websocket (entry-and-directory.md §2): registers once, authenticates on every connection, and
/// makes a new one when one is lost. One client; packets that come while there is no connection wait, as many as fit.
/// </summary>
internal sealed partial class GatewayConnection : IClientGateway, IDisposable
{
    private const int QueuePackets = 8192;
    private const byte OldestProtocol = 4;

    /// <summary>The first protocol whose packets name their rotation.</summary>
    private const byte RotationProtocol = 5;

    /// <summary>A fifth of what a ticket is worth; with less, more is claimed.</summary>
    private const long LowBandwidth = 40_000_000;

    private static readonly TimeSpan s_answerPatience = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan s_firstBackoff = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan s_lastBackoff = TimeSpan.FromSeconds(2);
    private readonly Uri _address;
    private readonly byte[] _identity;
    private readonly Action<string> _log;
    private readonly Channel<(NodeAddress FirstHop, MixPacket Packet)> _queue =
        Channel.CreateBounded<(NodeAddress, MixPacket)>(new BoundedChannelOptions(QueuePackets) { SingleReader = true });

    private readonly CancellationTokenSource _stop = new();
    private readonly TaskCompletionSource _ready = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private ClientIdentity? _client;
    private IDeliveryTarget? _target;
    private Task _running = Task.CompletedTask;
    private SharedKey? _key;
    private byte _protocol;
    private ulong _lastTimestamp;
    private long _bandwidth;
    private bool _claiming;
    private long _lost;
    private long _connections;

    /// <param name="address">ws://HOST:PORT.</param>
    /// <param name="identity">The gateway's ed25519 public key; nobody else can stand in for it.</param>
    /// <param name="log">Hears of connections lost and made anew.</param>
    public GatewayConnection(Uri address, ReadOnlySpan<byte> identity, Action<string> log)
    {
        _address = address;
        _identity = identity.ToArray();
        _log = log;
    }

    public ReadOnlySpan<byte> Identity => _identity;

    /// <summary>Completes when the client is known to its gateway for the first time.</summary>
    public Task Ready => _ready.Task;

    /// <summary>Packets that did not fit while they waited.</summary>
    public long Lost => Volatile.Read(ref _lost);

    /// <summary>How often the gateway took this client in.</summary>
    public long Connections => Volatile.Read(ref _connections);

    public void Attach(ClientIdentity client, IDeliveryTarget target)
    {
        if (_client is not null)
            throw new InvalidOperationException("a connection serves one client");
        _client = client;
        _target = target;
        _running = Task.Run(RunAsync);
    }

    public void Detach(ClientIdentity client) => Dispose();

    public void Send(IPEndPoint firstHop, MixPacket packet)
    {
        if (_queue.Writer.TryWrite((NodeAddress.From(firstHop), packet)))
            return;
        Interlocked.Increment(ref _lost);
        packet.Return();
    }

    public void Dispose()
    {
        _stop.Cancel();
        _running.GetAwaiter().GetResult();
        _ready.TrySetException(new IOException("stopped"));
        _ = _ready.Task.Exception;
    }

    private async Task RunAsync()
    {
        TimeSpan backoff = TimeSpan.Zero;
        while (!_stop.IsCancellationRequested)
        {
            try
            {
                using WebSocketChannel channel = await JoinAsync().ConfigureAwait(false);
                backoff = TimeSpan.Zero;
                Interlocked.Increment(ref _connections);
                _ready.TrySetResult();
                await ServeAsync(channel).ConfigureAwait(false);
                throw new IOException("the gateway closed the connection");
            }
            catch (Exception e) when (e is IOException or OperationCanceledException or ObjectDisposedException)
            {
                if (_stop.IsCancellationRequested)
                    return;
                if (backoff == TimeSpan.Zero || !_ready.Task.IsCompleted)
                    _log($"{_address}: {e.Message}; connecting again");
                backoff = backoff == TimeSpan.Zero ? s_firstBackoff : backoff * 2 < s_lastBackoff ? backoff * 2 : s_lastBackoff;
                await Task.Delay(backoff, _stop.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
    }

    private async Task ServeAsync(WebSocketChannel channel)
    {
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(_stop.Token);
        Task sending = SendAsync(channel, ended.Token);
        try
        {
            while (true)
            {
                WebSocketMessage message = await channel.ReceiveAsync(ended.Token).ConfigureAwait(false);
                if (message.Kind == WebSocketOpcode.Close)
                    return;
                if (message.Kind == WebSocketOpcode.Binary)
                    Deliver(message.Bytes.Span);
                else
                    await HearAsync(channel, message.Bytes).ConfigureAwait(false);
            }
        }
        finally
        {
            await ended.CancelAsync().ConfigureAwait(false);
            channel.Dispose();
            await sending.ConfigureAwait(false);
        }
    }

    private void Deliver(Span<byte> frame)
    {
        if (_key!.TryOpen(frame, out _, out Span<byte> payload))
            _target!.Deliver(payload);
    }

    private async ValueTask HearAsync(WebSocketChannel channel, ReadOnlyMemory<byte> text)
    {
        if (!GatewayText.TryRead(text, out GatewayMessage message))
            return;
        if (message.Bandwidth is { } bandwidth)
        {
            Volatile.Write(ref _bandwidth, bandwidth);
            _claiming = false;
        }
        else if (message.Type == "typedError")
        {
            await ClaimAsync(channel).ConfigureAwait(false);
        }
        else if (message.Type == "error")
        {
            throw new IOException($"the gateway says: {message.Text}");
        }
    }

    private async ValueTask ClaimAsync(WebSocketChannel channel)
    {
        if (_claiming)
            return;
        _claiming = true;
        await channel.SendAsync(WebSocketOpcode.Text, GatewayText.ClaimBandwidth(), _stop.Token).ConfigureAwait(false);
    }

    private async Task SendAsync(WebSocketChannel channel, CancellationToken stop)
    {
        try
        {
            while (await _queue.Reader.WaitToReadAsync(stop).ConfigureAwait(false))
            {
                await channel.EnterAsync(stop).ConfigureAwait(false);
                try
                {
                    Put(channel);
                    await channel.FlushAsync(stop).ConfigureAwait(false);
                }
                finally
                {
                    channel.Leave();
                }

                if (Volatile.Read(ref _bandwidth) < LowBandwidth)
                    await ClaimAsync(channel).ConfigureAwait(false);
            }
        }
        catch (Exception e) when (e is IOException or OperationCanceledException or ObjectDisposedException)
        {
            // The receiving side sees the same end, or caused it.
            channel.Dispose();
        }
    }

    /// <summary>As many packets as fit into one write.</summary>
    private void Put(WebSocketChannel channel)
    {
        SharedKey key = _key!;
        byte kind = _protocol >= RotationProtocol ? ForwardRequest.Version2 : ForwardRequest.Version1;
        while (_queue.Reader.TryPeek(out (NodeAddress FirstHop, MixPacket Packet) next))
        {
            int payloadBytes = kind + next.FirstHop.SignificantBytes + next.Packet.Bytes;
            if (!channel.TryBegin(WebSocketOpcode.Binary, payloadBytes + key.FrameOverheadBytes, out Span<byte> frame))
                return;
            Span<byte> payload = key.PayloadOf(frame);
            int head = ForwardRequest.WriteHead(payload, kind, next.FirstHop, next.Packet.Rotation);
            next.Packet.Span.CopyTo(payload[head..]);
            key.Seal(kind, frame);
            channel.End();
            Interlocked.Add(ref _bandwidth, -payloadBytes);
            next.Packet.Return();
            _queue.Reader.TryRead(out _);
        }
    }
}
