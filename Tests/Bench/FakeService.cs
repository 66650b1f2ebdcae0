using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using FastExit.Bench.Client;
using FastExit.Bench.Lab;
using FastExit.NetworkRequester.Protocol;
using FastExit.Topology;
using Xunit;

namespace FastExit.Tests.Bench;

/// <summary>
/// A network requester: the destination's name tells what it does.
/// <c>echo:1</c> sends back; <c>bytes-N:1</c> sends N bytes of <see cref="LabWeb.Fill"/> and closes; <c>sink:1</c> answers the SHA-256 of
/// what it got until the close; <c>silent:1</c> never answers; <c>fail-WORD:1</c> refuses with that reason; <c>closed:1</c> refuses without.
/// Its replies are retransmitted.
/// </summary>
internal sealed class FakeService : FakePeer
{
    private readonly Dictionary<ulong, Stream> _streams = [];
    private readonly Dictionary<ulong, List<(ulong Sequence, byte[] Payload, bool Closed)>> _early = [];

    public FakeService(EntryGateway gateway, NetworkTopology topology, TimeSpan meanDelay)
        : base(gateway, topology, meanDelay) => Start();

    /// <summary>Every reply message goes out twice, under different set ids.</summary>
    public volatile bool Doubles;

    public int DuplicateSends { get; private set; }

    /// <summary>Messages further ahead than any peer may send.</summary>
    public int Overflows { get; private set; }

    protected override void Pump(long now)
    {
        foreach (Stream stream in _streams.Values)
            Pump(stream);
    }

    protected override void Forget() => _streams.Clear();

    protected override void Acknowledged(string tag)
    {
        foreach (Stream stream in _streams.Values)
        {
            if (stream.Tag == tag)
                stream.InFlight--;
        }
    }

    protected override void Handle(string tag, ReadOnlySpan<byte> data)
    {
        if (Request.TryRead(data, out Request request) != RequestStatus.Ok)
            return;
        byte[] buffer = new byte[256];
        int bytes;
        switch (request.Kind)
        {
            case RequestKind.Control:
                ResponseWriter.TryWriteControl(buffer, request.Control, default, out bytes);
                Reply(tag, buffer.AsSpan(0, bytes));
                break;
            case RequestKind.Connect:
                string host = Encoding.ASCII.GetString(request.Address).Split(':')[0];
                if (_streams.ContainsKey(request.ConnectionId) || host == "silent")
                    return;
                if (host == "closed" || host.StartsWith("fail-", StringComparison.Ordinal))
                {
                    ResponseWriter.TryWriteNetworkData(buffer, MessageForm.Version3, request.ConnectionId, 0, true, default, out bytes);
                    Reply(tag, buffer.AsSpan(0, bytes));
                    if (host == "closed")
                        return;
                    ReadOnlySpan<byte> text = ConnectFailureText.For(Enum.Parse<ConnectFailure>(host[5..], ignoreCase: true));
                    ResponseWriter.TryWriteConnectionError(buffer, MessageForm.Version3, request.ConnectionId, text, out bytes);
                    Reply(tag, buffer.AsSpan(0, bytes));
                    return;
                }

                var stream = new Stream(tag, request.ConnectionId, host);
                if (host.StartsWith("bytes-", StringComparison.Ordinal))
                    stream.ToSend = long.Parse(host[6..], CultureInfo.InvariantCulture);
                _streams.Add(request.ConnectionId, stream);
                Send(stream, default, closed: false);
                foreach ((ulong sequence, byte[] payload, bool closed) in _early.Remove(request.ConnectionId, out List<(ulong Sequence, byte[] Payload, bool Closed)>? early) ? early : [])
                    Take(stream, sequence, payload, closed);
                break;
            case RequestKind.Send when _streams.TryGetValue(request.ConnectionId, out Stream? known):
                Take(known, request.Sequence, request.Payload.ToArray(), request.Closed);
                break;
            case RequestKind.Send:
                if (!_early.TryGetValue(request.ConnectionId, out List<(ulong Sequence, byte[] Payload, bool Closed)>? store))
                    _early.Add(request.ConnectionId, store = []);
                if (store.Count < 32)
                    store.Add((request.Sequence, request.Payload.ToArray(), request.Closed));
                break;
            default:
                break;
        }
    }

    private void Take(Stream stream, ulong sequence, byte[] payload, bool closed)
    {
        OrderedWrite write = stream.Ordered.Write(sequence, payload, closed);
        Overflows += write == OrderedWrite.Overflow ? 1 : 0;
        DuplicateSends += write == OrderedWrite.Duplicate ? 1 : 0;
        while (stream.Ordered.TryRead(out ArraySegment<byte> data))
            Take(stream, data);
    }

    private void Take(Stream stream, ReadOnlySpan<byte> data)
    {
        stream.Hash.AppendData(data);
        if (stream.Host == "echo" && !data.IsEmpty)
            Send(stream, data, closed: false);
        if (!stream.Ordered.Finished || stream.Host.StartsWith("bytes-", StringComparison.Ordinal))
            return;
        Send(stream, stream.Host == "sink" ? stream.Hash.GetHashAndReset() : default, closed: true);
    }

    // A window of 128 packets in flight, like a service that reads from its destination only while it may send.
    private void Pump(Stream stream)
    {
        byte[] chunk = new byte[1580];
        while (stream.Sent < stream.ToSend && stream.InFlight < 128 && QueuedFor(stream.Tag) < 32)
        {
            int bytes = (int)Math.Min(chunk.Length, stream.ToSend - stream.Sent);
            LabWeb.Fill(chunk.AsSpan(0, bytes), stream.Sent);
            stream.Sent += bytes;
            Send(stream, chunk.AsSpan(0, bytes), closed: stream.Sent == stream.ToSend);
        }
    }

    private void Send(Stream stream, ReadOnlySpan<byte> data, bool closed)
    {
        byte[] message = new byte[64 + data.Length];
        Assert.True(ResponseWriter.TryWriteNetworkData(
            message, MessageForm.Version3, stream.Id, stream.Next++, closed, data, out int bytes));
        stream.InFlight++;
        Reply(stream.Tag, message.AsSpan(0, bytes));
        if (Doubles)
            Reply(stream.Tag, message.AsSpan(0, bytes));
    }

    private sealed class Stream(string tag, ulong id, string host)
    {
        public string Tag => tag;

        public ulong Id => id;

        public string Host => host;

        public OrderedBuffer Ordered { get; } = new(16 << 20, OrderedBuffer.SendWindow);

        public IncrementalHash Hash { get; } = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);

        public ulong Next { get; set; }

        public long ToSend { get; set; }

        public long Sent { get; set; }

        public int InFlight { get; set; }
    }
}
