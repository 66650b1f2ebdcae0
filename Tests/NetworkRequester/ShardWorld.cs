using System.Net;
using System.Net.Sockets;
using FastExit.Configuration;
using FastExit.Cores;
using FastExit.Crypto.EndToEnd;
using FastExit.Delivery;
using FastExit.Memory;
using FastExit.Native.IoUring;
using FastExit.Native.Sockets;
using FastExit.NetworkRequester;
using FastExit.NetworkRequester.Protocol;
using Xunit;

namespace FastExit.Tests.NetworkRequester;

/// <summary>
/// A shard with a real ring and real slots on the test's own thread, between an in-memory mixnet and sockets on loopback. Its clock
/// can be moved on. Disposing drains it and checks that every slot, node, peer and descriptor came back.
/// </summary>
internal sealed class ShardWorld : IDisposable
{
    private readonly SlotPool _pool;
    private readonly IoRing _ring;
    private readonly int _buffers;
    private long _lastTick;

    public ShardWorld(NetworkRequesterSettings? settings = null, int directDescriptors = 1024, int buffers = 256, int regularSlots = 4096)
    {
        _buffers = buffers;
        _pool = new SlotPool(0, new MemorySettings
        {
            RegularSlots = regularSlots,
            ExtendedSlots = 4,
            AssemblyBytes = 16 << 20,
            HugePages = false,
        });
        Memory = new CoreMemory(0, [_pool], [null]);
        _ring = new IoRing(new IoRingOptions { SubmissionEntries = 256, CompletionEntries = 4096, DirectDescriptors = directDescriptors });
        Replies = new MemoryReplyPath(Memory);
        Gate = new TestGate();
        Answers = new PublishedAnswers(new ServiceAnswers(
            openProxy: false, "an exit", "https://example.com/policy.txt", [new ExitPolicyEntry(ExitPolicyAction.Reject, "*", 1, 65535)]));
        Shard = new NrShard(
            settings ?? new NetworkRequesterSettings(), Memory, _ring, Replies, Gate, Counters, Answers, Now, buffers);
        Replies.Owner = Shard;
    }

    /// <summary>Takes descriptors out of the ring's table, as another room does.</summary>
    public int[] TakeDescriptors(int count) => [.. Enumerable.Range(0, count).Select(_ => _ring.OpenTcp(ipv6: false))];

    public CoreMemory Memory { get; }

    public NrShard Shard { get; }

    public MemoryReplyPath Replies { get; }

    public TestGate Gate { get; }

    public PublishedAnswers Answers { get; }

    public CoreCounters Counters { get; } = new(0);

    public long Skew { get; set; }

    public long Now => Environment.TickCount64 + Skew;

    public int SlotsInUse => _pool.InUse(SlotClass.Regular);

    public long Read(Counter counter) => Counters.Read(counter);

    public void Pump(int waitMilliseconds = 2)
    {
        _ring.SubmitAndWait(1, TimeSpan.FromMilliseconds(waitMilliseconds));
        while (_ring.TryTake(out Completion completion))
        {
            Assert.True((byte)(completion.UserData >> 56) is >= NrShard.FirstKind and <= NrShard.LastKind);
            Shard.OnCompletion(completion, Now);
        }

        Gate.Deliver(Shard, Now);
        Replies.Pump();
        if (Now - _lastTick >= 10)
        {
            _lastTick = Now;
            Shard.Tick(Now);
        }
    }

    public void Until(Func<bool> condition, string what, int seconds = 20)
    {
        long end = Environment.TickCount64 + (seconds * 1000);
        while (!condition())
        {
            Assert.True(Environment.TickCount64 < end, $"timed out: {what}");
            Pump();
        }
    }

    public void For(int milliseconds)
    {
        long end = Environment.TickCount64 + milliseconds;
        while (Environment.TickCount64 < end)
            Pump();
    }

    /// <summary>Moves the clock on and lets every timer that is due fire.</summary>
    public void Pass(TimeSpan time)
    {
        Skew += (long)time.TotalMilliseconds;
        Shard.Tick(Now);
        Pump();
    }

    public TestClient Anonymous(ulong id, MessageForm form = MessageForm.Version3, int? peer = null) =>
        new(this, peer ?? Replies.AddPeer(anonymous: true), id, form);

    public TestClient Exposed(ulong id, MessageForm form = MessageForm.Version3) => new(this, InboundMessage.NoPeer, id, form);

    public void Dispose()
    {
        try
        {
            Shard.BeginDrain(Now);
            Until(() => Shard.Drained, "drain");
            Replies.Pump();
            Assert.Equal(0, Shard.NodesInUse);
            Assert.Equal(_buffers, Shard.BuffersLent);
            Assert.Equal(_buffers, SlotsInUse);
            for (SlotClass c = SlotClass.Extended; c <= SlotClass.Assembly4M; c++)
                Assert.Equal(0, _pool.InUse(c));
            Replies.AssertReleased();
        }
        finally
        {
            _ring.Dispose();
            Shard.Dispose();
            _pool.Dispose();
        }
    }
}

/// <summary>Records what a shard sends, gives credit and acknowledges as told.</summary>
internal sealed class MemoryReplyPath(CoreMemory memory) : IReplyPath
{
    public const int ExposedPeer = 0;

    private readonly List<Peer> _peers = [new Peer { Anonymous = false }];
    private readonly Queue<(long Connection, bool Delivered)> _acknowledgements = new(4096);

    public IReplyPathOwner? Owner { get; set; }

    /// <summary>Acknowledge everything at the next pump; else what was sent is remembered in <see cref="Unacknowledged"/>.</summary>
    public bool Acknowledge { get; set; } = true;

    public List<long> Unacknowledged { get; } = [];

    /// <summary>Only count payload, do not keep messages.</summary>
    public bool Sink { get; set; }

    public long SunkBytes { get; private set; }

    public List<(int Peer, byte[] Message)> Messages { get; } = [];

    public bool RefuseRecipients { get; set; }

    public int AddPeer(bool anonymous)
    {
        _peers.Add(new Peer { Anonymous = anonymous });
        return _peers.Count - 1;
    }

    public void SetCredit(int peer, int credit)
    {
        _peers[peer].Credit = credit;
        Owner!.OnCredit(peer);
    }

    public int Parked(int peer) => _peers[peer].Parked;

    public bool TryPeerFor(in Recipient recipient, out int peer)
    {
        peer = ExposedPeer;
        return !RefuseRecipients;
    }

    public bool IsAnonymous(int peer) => _peers[peer].Anonymous;

    public void Retain(int peer) => _peers[peer].Retained++;

    public void Release(int peer) => Assert.True(--_peers[peer].Retained >= 0);

    public int Credit(int peer) => _peers[peer].Credit;

    public int Backlog => 0;

    public void SendInPlace(
        int peer, SlotHandle slot, int messageOffset, int messageBytes, long connection,
        int retransmissions = IReplyPath.RetransmissionsOfSetting)
    {
        Assert.True(messageOffset >= ReplyLayout.MessageOffset && messageOffset <= ReplyLayout.MessageOffset + 8);
        Assert.True(messageBytes is >= 1 and <= ReplyLayout.MaximumInPlaceBytes);
        Assert.True(slot.Class == SlotClass.Regular);
        if (_peers[peer].Credit > 0)
            _peers[peer].Credit -= _peers[peer].Credit == int.MaxValue ? 0 : 1;
        else
            _peers[peer].Parked++;
        ReadOnlySpan<byte> message = memory.Slot(slot).Slice(messageOffset, messageBytes);
        if (Sink)
            SunkBytes += messageBytes - MessageSizes.NetworkDataHeaderBytes(MessageForm.Version3);
        else
            Messages.Add((peer, message.ToArray()));
        memory.Free(slot);
        if (connection == 0)
            return;
        if (Acknowledge)
            _acknowledgements.Enqueue((connection, true));
        else
            Unacknowledged.Add(connection);
    }

    public int Send(int peer, ReadOnlySpan<byte> message, long connection)
    {
        Messages.Add((peer, message.ToArray()));
        return 1;
    }

    public void Pump()
    {
        while (_acknowledgements.TryDequeue(out (long Connection, bool Delivered) ack))
            Owner!.OnAcknowledged(ack.Connection, ack.Delivered);
    }

    public void AcknowledgeAll(bool delivered = true)
    {
        long[] all = [.. Unacknowledged];
        Unacknowledged.Clear();
        foreach (long connection in all)
            Owner!.OnAcknowledged(connection, delivered);
    }

    public void AssertReleased() => Assert.All(_peers, p => Assert.Equal(0, p.Retained));

    private sealed class Peer
    {
        public bool Anonymous;
        public int Credit = int.MaxValue;
        public int Parked;
        public int Retained;
    }
}

/// <summary>A gate that says what the test told it, else allows addresses of the form `a.b.c.d:port`.</summary>
internal sealed class TestGate : IDestinationGate
{
    private readonly Queue<(long Connection, string HostPort)> _asked = new();
    private readonly Dictionary<string, GateVerdict> _told = [];

    public bool Full { get; set; }

    public bool Silent { get; set; }

    public int Asked { get; private set; }

    public static GateVerdict Verdict(GateOutcome outcome, params IPEndPoint[] addresses)
    {
        var verdict = new GateVerdict { Outcome = outcome, Addresses = (byte)addresses.Length };
        for (int i = 0; i < addresses.Length; i++)
            verdict.List[i] = EndpointAddress.From(addresses[i]);
        return verdict;
    }

    public void Tell(string hostPort, GateVerdict verdict) => _told[hostPort] = verdict;

    public bool TryAsk(long connection, ReadOnlySpan<byte> hostPort)
    {
        if (Full)
            return false;
        Asked++;
        _asked.Enqueue((connection, System.Text.Encoding.UTF8.GetString(hostPort)));
        return true;
    }

    public void Deliver(NrShard shard, long now)
    {
        while (!Silent && _asked.TryDequeue(out (long Connection, string HostPort) asked))
        {
            if (!_told.TryGetValue(asked.HostPort, out GateVerdict verdict))
                verdict = Verdict(GateOutcome.Allowed, IPEndPoint.Parse(asked.HostPort));
            verdict.Connection = asked.Connection;
            shard.OnVerdict(verdict, now);
        }
    }
}

/// <summary>One client's connection: writes requests into slots, puts what came back in order.</summary>
internal sealed class TestClient(ShardWorld world, int peer, ulong id, MessageForm form)
{
    public static readonly byte[] ReturnAddress = Convert.FromHexString(
        "227011b6e106aed8a02948eca05a9c03fa29f335bfb2da35aa0eb9215e9919290652a9bb58f6d33944e1e4e7741d77eb"
        + "a00e9ccd42014bccccdc0e96bfcbae5879ad53dbbca4c2d4eee404803069e05311f6e910ebdf44570d2822badacc7e91");

    private ulong _next;

    public int Peer => peer;

    public int ReplyPeer => peer == InboundMessage.NoPeer ? MemoryReplyPath.ExposedPeer : peer;

    public bool IsOpen => Responses().Any(r => r is { Kind: ResponseKind.NetworkData, Closed: false });

    public bool IsClosed => Responses().Any(r => r.Closed);

    public byte[] Received => [.. Data().SelectMany(r => r.Bytes)];

    public void Connect(IPEndPoint destination) => Connect(destination.ToString());

    public void Connect(string hostPort, byte[]? returnAddress = null)
    {
        byte[] message = new byte[512];
        byte[] address = returnAddress ?? (peer == InboundMessage.NoPeer ? ReturnAddress : []);
        Assert.True(RequestWriter.TryWriteConnect(
            message, form, id, System.Text.Encoding.UTF8.GetBytes(hostPort), address, out int bytes));
        Deliver(world, message.AsSpan(0, bytes), peer);
    }

    public void Send(ReadOnlySpan<byte> payload, bool closed = false) => SendAs(_next++, payload, closed);

    public void SendAs(ulong sequence, ReadOnlySpan<byte> payload, bool closed = false)
    {
        byte[] message = new byte[payload.Length + 32];
        Assert.True(RequestWriter.TryWriteSend(message, form, id, sequence, closed, payload, out int bytes));
        Deliver(world, message.AsSpan(0, bytes), peer);
    }

    public static void Deliver(ShardWorld world, ReadOnlySpan<byte> message, int peer)
    {
        const int offset = 100;
        SlotClass slotClass = SlotClass.Regular;
        if (message.Length + offset > SlotPool.RegularBytes)
            Assert.True(SlotPool.TryAssemblyClass(message.Length + offset, out slotClass));
        Assert.True(world.Memory.Own.TryRent(slotClass, out SlotHandle slot));
        message.CopyTo(world.Memory.Slot(slot)[offset..]);
        world.Shard.OnMessage(new InboundMessage(slot, offset, message.Length, peer), world.Now);
    }

    /// <summary>Everything said about this connection, in the order it was sent, with the rules that always hold checked.</summary>
    public List<Said> Responses()
    {
        var said = new List<Said>();
        foreach ((int to, byte[] message) in world.Replies.Messages)
        {
            Assert.Equal(ResponseStatus.Ok, Response.TryRead(message, out Response response));
            if (response.Kind is not (ResponseKind.NetworkData or ResponseKind.ConnectionError)
                || response.ConnectionId != id || to != ReplyPeer)
            {
                continue;
            }

            Assert.Equal(form, response.Form);
            said.Add(new Said(
                response.Kind,
                response.Sequence,
                response.Closed,
                response.Payload.ToArray(),
                response.Kind == ResponseKind.ConnectionError ? ConnectFailureText.Parse(response.Text) : ConnectFailure.Unknown));
        }

        Said[] data = [.. said.Where(s => s.Kind == ResponseKind.NetworkData)];
        for (int i = 0; i < data.Length; i++)
        {
            Assert.Equal((ulong)i, data[i].Sequence);
            Assert.True(!data[i].Closed || i == data.Length - 1, "something followed the close");
        }

        Assert.True(said.Count(s => s.Kind == ResponseKind.ConnectionError) <= 1);
        return said;
    }

    public IEnumerable<Said> Data() => Responses().Where(s => s.Kind == ResponseKind.NetworkData);

    internal sealed record Said(ResponseKind Kind, ulong Sequence, bool Closed, byte[] Bytes, ConnectFailure Failure);
}
