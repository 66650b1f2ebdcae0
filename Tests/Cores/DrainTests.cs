using System.Net;
using System.Net.Sockets;
using FastExit.Configuration;
using FastExit.Cores;
using FastExit.Crypto.EndToEnd;
using FastExit.Identity;
using FastExit.MixLink;
using FastExit.NetworkRequester.Protocol;
using FastExit.Tests.Delivery;
using FastExit.Tests.MixLink;
using Xunit;

namespace FastExit.Tests.Cores;

/// <summary>A whole exit with two cores in this process, between real sockets.</summary>
public sealed class DrainTests : IDisposable
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(20);
    private readonly string _directory = Directory.CreateTempSubdirectory("fastexit-drain-").FullName;
    private readonly NodeKeys _keys = NodeKeys.Generate(1);
    private readonly List<Socket> _sockets = [];
    private readonly MixLab _lab;
    private readonly LabClient _client;

    public DrainTests()
    {
        _lab = new MixLab(_keys);
        _client = new LabClient(_lab);
    }

    public void Dispose()
    {
        _sockets.ForEach(socket => socket.Dispose());
        _lab.Dispose();
        _keys.Dispose();
        Directory.Delete(_directory, recursive: true);
    }

    [Fact]
    public void AgreementNeedsAllAtOneMomentAndIsFinal()
    {
        var agreement = new DrainAgreement(3);
        Assert.False(agreement.Report(0, true));
        Assert.False(agreement.Report(1, true));
        Assert.False(agreement.Report(0, false));
        Assert.False(agreement.Report(2, true));
        Assert.True(agreement.Report(0, true));
        Assert.True(agreement.Report(1, false));
        Assert.True(new DrainAgreement(1).Report(0, true));
    }

    [Fact]
    public async Task AnIdleCoreStaysForTheAcksOfTheOther()
    {
        await using ExitRuntime exit = Start();
        Socket[] byCore = ConnectToBoth(exit);
        byCore[0].Send(Frame(_client.Send(_client.Message(Query(), surbs: 3)).Single()));
        List<ClientFragment> answers = await AnswersAsync();
        int home = Enumerable.Range(0, 2).Single(core => exit.Counters[core].Read(Gauge.Delivery_PendingAcks) > 0);
        int idle = 1 - home;

        Task drain = exit.DrainAsync(s_patience);
        await Task.Delay(300);
        long loops = exit.Counters[idle].Read(Counter.Core_Loops);
        await Task.Delay(300);
        Assert.True(exit.Counters[idle].Read(Counter.Core_Loops) > loops, "the idle core left");
        Assert.False(drain.IsCompleted);

        // What the other core waits for comes in at the idle one.
        foreach (ClientFragment answer in answers)
        {
            Arrival arrival = _lab.Walk(answer.AckFirstHop, answer.AckPacket)!;
            byCore[idle].Send(Frame(new ClientPacket(arrival.Packet, PacketSize.Acknowledgement, 0, 0)));
        }

        await drain.WaitAsync(TimeSpan.FromSeconds(5));
        await exit.Completion;
        Assert.Equal(answers.Count, exit.Counters[home].Read(Counter.Delivery_AcksReceived));
        Assert.Equal(0, exit.Counters[home].Read(Counter.Delivery_Retransmissions));
    }

    [Fact]
    public async Task TheLimitEndsAllOfThem()
    {
        await using ExitRuntime exit = Start();
        ConnectToBoth(exit)[1].Send(Frame(_client.Send(_client.Message(Query(), surbs: 3)).Single()));
        await AnswersAsync();
        await exit.DrainAsync(TimeSpan.FromMilliseconds(500)).WaitAsync(TimeSpan.FromSeconds(5));
        await exit.Completion;
    }

    private static byte[] Query()
    {
        byte[] request = new byte[64];
        Assert.True(RequestWriter.TryWriteQuery(request, MessageForm.Version3, QueryKind.OpenProxy, out int bytes));
        return request[..bytes];
    }

    private static byte[] Frame(ClientPacket packet)
    {
        var header = new FrameHeader(FrameHeader.KeyRotationVersion, packet.Size, KeyRotation.Odd);
        byte[] frame = new byte[header.Bytes + packet.Bytes.Length];
        header.Write(frame);
        packet.Bytes.CopyTo(frame, header.Bytes);
        return frame;
    }

    // Which core gets a connection is the kernel's choice.
    private Socket[] ConnectToBoth(ExitRuntime exit)
    {
        var byCore = new Socket?[2];
        while (byCore.Contains(null))
        {
            long[] before = [.. exit.Counters.Select(c => c.Read(Counter.MixLink_ConnectionsAccepted))];
            var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
            _sockets.Add(socket);
            socket.Connect(exit.Listening[0]);
            int core = -1;
            SpinWait.SpinUntil(
                () => (core = Array.FindIndex([0, 1], c => exit.Counters[c].Read(Counter.MixLink_ConnectionsAccepted) > before[c])) >= 0,
                s_patience);
            byCore[core] = socket;
        }

        return byCore!;
    }

    private async Task<List<ClientFragment>> AnswersAsync()
    {
        var answers = new List<ClientFragment>();
        for (long end = Environment.TickCount64 + (long)s_patience.TotalMilliseconds; answers.Count == 0;)
        {
            Assert.True(Environment.TickCount64 < end, "no answer");
            await Task.Delay(50);
            foreach (FrameCollector collector in _lab.Collectors)
            {
                while (collector.Frames.TryDequeue(out ReceivedFrame? frame))
                {
                    Arrival? arrival = _lab.Walk(NodeAddress.From(collector.EndPoint), frame.Packet);
                    if (frame.Header.Size == PacketSize.Regular && arrival is not null && _client.Open(arrival) is { } answer)
                        answers.Add(answer);
                }
            }
        }

        return answers;
    }

    private ExitRuntime Start() => ExitRuntime.Start(
        new ExitSettings
        {
            DataDirectory = _directory,
            Cores = new CoreSettings { Cores = [0, 1], Pin = false },
            Memory = new MemorySettings { RegularSlots = 4096, ExtendedSlots = 16, AssemblyBytes = 16 << 20, HugePages = false },
            MixLink = new MixLinkSettings
            {
                Listen = [new IPEndPoint(IPAddress.Loopback, 0)],
                Announced = _lab.Exit.Address,
                ReplayFilterPackets = 10_000,
            },
            // Longer than the test may take: only acks settle what was sent.
            Delivery = new DeliverySettings { SurbBytes = 1 << 20, SurbMinimum = 0, AckWait = TimeSpan.FromSeconds(60) },
            TopologyFile = Path.Combine(_directory, "topology.json"),
        },
        _keys,
        _lab.Topology,
        _ => { });
}
