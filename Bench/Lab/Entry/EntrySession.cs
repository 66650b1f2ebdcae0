using System.Net;
using FastExit.Crypto.EndToEnd;

namespace FastExit.Bench.Lab.Entry;

/// <summary>What the sessions of one gateway share.</summary>
internal sealed record EntryRoom(EntryGateway Gateway, ReadOnlyMemory<byte> IdentitySeed, EntrySettings Settings, KnownClients Clients, EntryCounters Counters)
{
    /// <summary>Tests turn it.</summary>
    public TimeProvider Clock { get; init; } = TimeProvider.System;
}

/// <summary>
/// One websocket of a client (entry-and-directory.md §2.11): its requests until it is known, then its packets into the mixnet and what the
/// mixnet has for it. Whatever it does wrong ends this session alone.
/// </summary>
internal sealed partial class EntrySession(WebSocketChannel channel, EntryRoom room) : IDisposable
{
    private readonly EntrySettings _settings = room.Settings;
    private readonly CancellationTokenSource _stop = new();
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Dictionary<NodeAddress, IPEndPoint> _hops = [];
    private IReadOnlySet<IPEndPoint>? _hopsOf;
    private GatewayRegistration? _registration;
    private KnownClient? _client;
    private int _bad;

    /// <summary>Until the client is gone, or sent away.</summary>
    public async Task RunAsync(CancellationToken stop)
    {
        using CancellationTokenRegistration stopping = stop.Register(Abort);
        Task pushing = Task.CompletedTask, watching = Task.CompletedTask;
        try
        {
            if (!await BecomeKnownAsync().ConfigureAwait(false))
                return;

            pushing = PushAsync();
            watching = WatchAsync();
            await ServeAsync().ConfigureAwait(false);
        }
        catch (Exception e) when (IsEnd(e))
        {
            // The client is gone, or we are.
        }
        finally
        {
            await _stop.CancelAsync().ConfigureAwait(false);
            channel.Dispose();
            await Task.WhenAll(pushing, watching).ConfigureAwait(false);
            if (_client is null)
                room.Counters.Add(EntryCounter.Refused);
            if (_client is { } client && ReferenceEquals(client.Session, this))
            {
                client.Mailbox.Online = false;
                client.LastSeen = Environment.TickCount64;
                client.Session = null;
            }

            _ended.TrySetResult();
        }
    }

    /// <summary>Ends it from outside.</summary>
    public void Abort()
    {
        try
        {
            _stop.Cancel();
        }
        catch (ObjectDisposedException)
        {
            // Ended by itself.
        }

        channel.Dispose();
    }

    public void Dispose() => _stop.Dispose();

    private static bool IsEnd(Exception e) => e is IOException or OperationCanceledException or ObjectDisposedException or InvalidOperationException;

    private ValueTask SendTextAsync(byte[] text) => channel.SendAsync(WebSocketOpcode.Text, text, _stop.Token);

    private async Task ServeAsync()
    {
        while (true)
        {
            WebSocketMessage message = await channel.ReceiveAsync(_stop.Token).ConfigureAwait(false);
            bool understood;
            switch (message.Kind)
            {
                case WebSocketOpcode.Close:
                    return;
                case WebSocketOpcode.Binary:
                    understood = Forward(message.Bytes.Span, out byte[]? complaint);
                    if (complaint is not null)
                        await SendTextAsync(complaint).ConfigureAwait(false);
                    break;
                default:
                    understood = await AnswerKnownAsync(message.Bytes).ConfigureAwait(false);
                    break;
            }

            _bad = understood ? 0 : _bad + 1;
            if (understood)
                continue;
            room.Counters.Add(EntryCounter.BadMessages);
            if (_bad < _settings.BadMessages)
                continue;
            await channel.CloseAsync(PolicyViolation).ConfigureAwait(false);
            return;
        }
    }

    /// <returns>False: not by its key, or no packet. An unknown first hop is a packet that gets lost.</returns>
    private bool Forward(Span<byte> frame, out byte[]? complaint)
    {
        complaint = null;
        KnownClient client = _client!;
        if (!client.Key.TryOpen(frame, out byte kind, out Span<byte> payload) || !ForwardRequest.TryRead(kind, payload, out ForwardRequest request))
            return false;
        if (client.AddBandwidth(-payload.Length) is var left and < 0)
        {
            client.AddBandwidth(payload.Length);
            room.Counters.Add(EntryCounter.OutOfBandwidth);
            complaint = GatewayAnswer.OutOfBandwidth(payload.Length, left + payload.Length);
            return true;
        }

        if (!TryHop(request.FirstHop, out IPEndPoint hop))
        {
            room.Counters.Add(EntryCounter.UnknownHops);
            return true;
        }

        room.Gateway.Send(hop, MixPacket.Copy(request.Packet, request.Size, request.Rotation));
        room.Counters.Add(EntryCounter.Forwarded);
        return true;
    }

    private bool TryHop(in NodeAddress address, out IPEndPoint hop)
    {
        IReadOnlySet<IPEndPoint> known = room.Gateway.Settings.Known;
        if (!ReferenceEquals(known, _hopsOf))
        {
            _hops.Clear();
            _hopsOf = known;
        }

        if (_hops.TryGetValue(address, out hop!))
            return true;
        hop = address.ToIPEndPoint();
        if (!known.Contains(hop))
            return false;
        _hops.Add(address, hop);
        return true;
    }

    private async Task PushAsync()
    {
        try
        {
            while (await _client!.Mailbox.WaitAsync(_stop.Token).ConfigureAwait(false))
                await PushWaitingAsync().ConfigureAwait(false);
        }
        catch (Exception e) when (IsEnd(e))
        {
            // The session ends; what was not taken waits for the next.
        }
    }

    /// <summary>Everything that waits now, as many as fit in each write.</summary>
    private async Task PushWaitingAsync()
    {
        KnownClient client = _client!;
        await channel.EnterAsync(_stop.Token).ConfigureAwait(false);
        try
        {
            int pushed = 0;
            while (client.Mailbox.TryTake(out ArraySegment<byte> push))
            {
                int bytes = push.Count + client.Key.FrameOverheadBytes;
                if (!channel.TryBegin(WebSocketOpcode.Binary, bytes, out Span<byte> frame))
                {
                    await channel.FlushAsync(_stop.Token).ConfigureAwait(false);
                    channel.TryBegin(WebSocketOpcode.Binary, bytes, out frame);
                }

                push.AsSpan().CopyTo(client.Key.PayloadOf(frame));
                client.Key.Seal(PushKind, frame);
                channel.End();
                client.Mailbox.Done(push);
                pushed++;
            }

            await channel.FlushAsync(_stop.Token).ConfigureAwait(false);
            room.Counters.Add(EntryCounter.Pushed, pushed);
        }
        finally
        {
            channel.Leave();
        }
    }

    /// <summary>A client that does not take what is sent, or is silent even when asked, is gone.</summary>
    private async Task WatchAsync()
    {
        TimeSpan beat = _settings.Silence / 8;
        bool asked = false;
        try
        {
            while (true)
            {
                await Task.Delay(beat, _stop.Token).ConfigureAwait(false);
                long silent = Environment.TickCount64 - channel.LastReceived;
                if (channel.WriteStall > _settings.WriteStall || silent > 1.5 * _settings.Silence.TotalMilliseconds)
                {
                    Abort();
                    return;
                }

                bool ask = silent > _settings.Silence.TotalMilliseconds;
                if (ask && !asked)
                    await channel.SendAsync(WebSocketOpcode.Ping, new byte[] { 1 }, _stop.Token).ConfigureAwait(false);
                asked = ask;
            }
        }
        catch (Exception e) when (IsEnd(e))
        {
            // The session ends.
        }
    }
}
