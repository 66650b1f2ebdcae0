using FastExit.Configuration;
using FastExit.Sphinx;
using FastExit.Tests.Crypto.EndToEnd;
using Xunit;

namespace FastExit.Tests.Sphinx;

/// <summary>Filters in files: what they remember, and what is done about files that are not what they should be.</summary>
public sealed class ReplayFilterFileTests : IDisposable
{
    private const int Packets = 10_000;
    private static readonly MixLinkSettings s_settings = new()
    {
        Announced = new System.Net.IPEndPoint(System.Net.IPAddress.Loopback, 1),
        ReplayFilterPackets = Packets,
    };

    private readonly string _directory = Directory.CreateTempSubdirectory("fastexit-replay-").FullName;
    private readonly byte[] _key = [.. Enumerable.Repeat((byte)7, 32)];
    private readonly List<string> _log = [];
    private readonly ReplayFilterStore _store;

    public ReplayFilterFileTests() => _store = new ReplayFilterStore(_directory, s_settings, _log.Add);

    private string FilePath => _store.PathOf(_key)!;

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    [Fact]
    public void WhatWasSeenIsRefusedByTheNextOne()
    {
        using (ReplayFilter first = _store.Open(_key))
        {
            Assert.Equal(0, Count(first, seed: 1, Packets, ReplayVerdict.Replay));
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(FilePath));
            Assert.Equal(
                UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute, File.GetUnixFileMode(Path.GetDirectoryName(FilePath)!));
        }

        Assert.Empty(_log);
        using ReplayFilter second = _store.Open(_key);
        Assert.Equal(Packets, Count(second, seed: 1, Packets, ReplayVerdict.Replay));
        Assert.Equal(1, second.Fill(), 3);
        Assert.Equal(0, Count(second, seed: 2, 1000, ReplayVerdict.Replay));
        Assert.EndsWith($"replay filter with {Packets} packets of before", Assert.Single(_log), StringComparison.Ordinal);
        Assert.Single(Directory.GetFiles(Path.GetDirectoryName(FilePath)!));
    }

    [Theory]
    [InlineData("is too short")]
    [InlineData("has the wrong length")]
    [InlineData("is no replay filter")]
    [InlineData("is of another version")]
    [InlineData("has a damaged header")]
    [InlineData("belongs to another key")]
    [InlineData("was made for another mix_link.replay_filter_packets")]
    [InlineData("has damaged entries")]
    [InlineData("is open to other users")]
    [InlineData("is a symbolic link")]
    public void AnUnusableFileIsDiscardedWithItsReason(string problem)
    {
        using (ReplayFilter filter = _store.Open(_key))
            Count(filter, seed: 1, 100, ReplayVerdict.Fresh);
        byte[] file = File.ReadAllBytes(FilePath);
        switch (problem)
        {
            case "is too short":
                Write(file.AsSpan(0, 20));
                break;
            case "has the wrong length":
                Write(file.AsSpan(0, file.Length - 1));
                break;
            case "is no replay filter":
                file[0]++;
                Write(file);
                break;
            case "is of another version":
                file[8]++;
                System.Security.Cryptography.SHA256.HashData(file.AsSpan(0, 48), file.AsSpan(48, 32));
                Write(file);
                break;
            case "has a damaged header":
                file[50]++;
                Write(file);
                break;
            case "belongs to another key":
                using (_store.Open(new byte[32]))
                    File.Copy(_store.PathOf(new byte[32])!, FilePath, overwrite: true);
                break;
            case "was made for another mix_link.replay_filter_packets":
                using (new ReplayFilterStore(_directory, s_settings with { ReplayFilterPackets = 2 * Packets }, _ => { }).Open(_key))
                    break;
            case "has damaged entries":
                file[^1] = 1;
                Write(file);
                break;
            case "is open to other users":
                File.SetUnixFileMode(FilePath, (UnixFileMode)0b110_100_000);
                break;
            case "is a symbolic link":
                File.Move(FilePath, FilePath + "-moved");
                File.CreateSymbolicLink(FilePath, FilePath + "-moved");
                break;
        }

        _log.Clear();
        using ReplayFilter fresh = _store.Open(_key);
        Assert.Contains(problem, Assert.Single(_log), StringComparison.Ordinal);
        Assert.Equal(FilePath, fresh.Path);
        Assert.Null(new FileInfo(FilePath).LinkTarget);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(FilePath));
        Assert.Equal(0, Count(fresh, seed: 1, 100, ReplayVerdict.Replay));
        _log.Clear();
        using ReplayFilter again = _store.Open(_key);
        Assert.Equal(100, Count(again, seed: 1, 100, ReplayVerdict.Replay));
        Assert.Contains("100 packets", Assert.Single(_log), StringComparison.Ordinal);
    }

    [Fact]
    public void AnyBytesInTheFileAreTakenOrRefusedAndNeverFail()
    {
        using (ReplayFilter filter = _store.Open(_key))
            Count(filter, seed: 1, 100, ReplayVerdict.Fresh);
        byte[] good = File.ReadAllBytes(FilePath);
        var random = new SeededBytes(9);
        int refused = 0;
        // Each input is a file that is written, read and mapped: some thousands of them take as long as a million spans.
        for (int i = 0; i < 3000; i++)
        {
            byte[] bytes = [.. good];
            for (int flips = random.Below(4); flips >= 0; flips--)
                bytes[random.Below(random.Below(2) == 0 ? 80 : bytes.Length)] ^= (byte)(1 + random.Below(255));
            Write(random.Below(4) == 0 ? bytes[..random.Below(bytes.Length)] : bytes);
            _log.Clear();
            using ReplayFilter filter = _store.Open(_key);
            Assert.Equal(FilePath, filter.Path);
            refused += _log[0].Contains("it is discarded", StringComparison.Ordinal) ? 1 : 0;
            filter.Check(random.Bytes(32));
        }

        Assert.InRange(refused, 1500, 2999);
    }

    [Fact]
    public void WithoutADirectoryOrTheWishItStaysInMemory()
    {
        File.WriteAllText(Path.Combine(_directory, ReplayFilterStore.DirectoryName), "in the way");
        using (ReplayFilter filter = _store.Open(_key))
        {
            Assert.Null(filter.Path);
            Assert.Equal(ReplayVerdict.Fresh, filter.Check(_key));
        }

        Assert.Contains("kept in memory", Assert.Single(_log), StringComparison.Ordinal);
        var off = new ReplayFilterStore(_directory, s_settings with { ReplayFilterPersistent = false }, _log.Add);
        using ReplayFilter memory = off.Open(_key);
        Assert.Null(memory.Path);
        Assert.Single(_log);
    }

    [Fact]
    public void FilesGoWithTheirKeysAndStayWhenTheProgramEnds()
    {
        byte[] a = [.. Enumerable.Repeat((byte)1, 32)], b = [.. Enumerable.Repeat((byte)2, 32)];
        ReplayFilter old = _store.Open(a), current = _store.Open(b);
        var first = new SphinxKeySet((a, 1u, old), (b, 2u, current));
        var second = new SphinxKeySet((b, 2u, current));
        first.Retire(second);
        Assert.False(File.Exists(old.Path));
        Assert.True(File.Exists(current.Path));
        second.Retire(null);
        Assert.True(File.Exists(current.Path));
        using (_store.Open(_key))
            _store.RemoveOthers([FilePath, null]);
        Assert.Equal([FilePath], Directory.GetFiles(Path.GetDirectoryName(FilePath)!));
    }

    [Fact]
    public void FillingUpIsSaidOnceEach()
    {
        using var filter = new ReplayFilter(Packets);
        var keys = new SphinxKeySet((_key, 5u, filter));
        using var watch = new ReplayFilterWatch(() => keys, _log.Add, TimeSpan.FromDays(1));
        Count(filter, seed: 1, Packets / 2, ReplayVerdict.Fresh);
        watch.Look();
        Assert.Empty(_log);
        Assert.Equal(0.5, Assert.Single(watch.Read()).Fill, 2);
        Count(filter, seed: 2, (Packets * 31) / 100, ReplayVerdict.Fresh);
        watch.Look();
        watch.Look();
        Assert.StartsWith("WARNING: the replay filter of rotation 5 is 81 % full", Assert.Single(_log), StringComparison.Ordinal);
        Count(filter, seed: 3, Packets / 5, ReplayVerdict.Fresh);
        watch.Look();
        watch.Look();
        Assert.Equal(2, _log.Count);
        Assert.StartsWith("ERROR: the replay filter of rotation 5 is full (101 %)", _log[1], StringComparison.Ordinal);
        watch.Retire(keys, null);
        Assert.Empty(watch.Read());
        watch.Look();
        Assert.Equal(2, _log.Count);
    }

    [Theory]
    [InlineData(1_000)]
    [InlineData(1_000_000)]
    public void TheSampleIsCloseToTheTruth(int packets)
    {
        using var filter = new ReplayFilter(packets);
        for (int tenth = 1; tenth <= 10; tenth++)
        {
            int fresh = Count(filter, (ulong)tenth, packets / 10, ReplayVerdict.Fresh);
            Assert.InRange(fresh, (packets / 10) - 2, packets / 10);
            Assert.InRange(filter.Fill(), (tenth / 10.0) - 0.02, (tenth / 10.0) + 0.02);
        }
    }

    private static int Count(ReplayFilter filter, ulong seed, int packets, ReplayVerdict verdict)
    {
        var random = new SeededBytes(seed);
        Span<byte> tag = stackalloc byte[32];
        int count = 0;
        for (int i = 0; i < packets; i++)
        {
            random.Fill(tag);
            count += filter.Check(tag) == verdict ? 1 : 0;
        }

        return count;
    }

    // In place, as a fault of the disk would do it: mode and name stay.
    private void Write(ReadOnlySpan<byte> bytes)
    {
        using var file = File.OpenHandle(FilePath, FileMode.Open, FileAccess.Write);
        RandomAccess.SetLength(file, bytes.Length);
        RandomAccess.Write(file, bytes, 0);
    }
}
